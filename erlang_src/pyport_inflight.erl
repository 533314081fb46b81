%% @private
%% @doc What is in flight on a link, and whether one more is admitted. Pure.
%%
%% An entry names who gets the answer as `{Ref, Kind, Answer}'. The table is
%% a plain map, because the link takes entries out of it on its hot path.
-module(pyport_inflight).

-export([limits/1, refusal/3, deadline/2, timeout_ms/1, bytes/1,
         late/2, answer_all/2]).

-export_type([entry/0, table/0, limits/0]).

-type entry() :: {To :: pid() | reference(), Ref :: reference(),
                  Bytes :: non_neg_integer(),
                  DeadlineMs :: infinity | integer()}
               | hello | ping.
-type table() :: #{pos_integer() => entry()}.
-type limits() :: {QueueMax :: pos_integer(), QueueBytesMax :: pos_integer(),
                   PayloadBytesMax :: pos_integer()}.

%% A run message in a batch of one: 1 + 4 + 26 bytes before the term.
-define(RUN_HEADER_BYTES, 31).
-define(TIMEOUT_MS_MAX, 16#FFFFFFFF).
-define(DEADLINE_GRACE_MS, 1000).

-spec limits(map()) -> limits().
limits(#{queue_max := QueueMax, queue_bytes_max := QueueBytesMax,
         frame_bytes_max := FrameBytesMax}) ->
    {QueueMax, QueueBytesMax, FrameBytesMax - ?RUN_HEADER_BYTES}.

%% @doc Why a request of so many bytes is not taken, if it is not.
-spec refusal(non_neg_integer(), {non_neg_integer(), non_neg_integer()},
              limits()) ->
          none
        | {overloaded, Current :: non_neg_integer(), Max :: pos_integer()}
        | {too_large, Bytes :: non_neg_integer(), Max :: pos_integer()}.
refusal(Bytes, {Count, Waiting}, {Max, BytesMax, PayloadMax}) ->
    if
        Count >= Max -> {overloaded, Count, Max};
        Bytes > PayloadMax -> {too_large, Bytes, PayloadMax};
        Waiting + Bytes > BytesMax -> {overloaded, Waiting, BytesMax};
        true -> none
    end.

%% @doc A time-out as it stands on the wire, where 0 is no limit.
-spec timeout_ms(timeout()) -> 0..?TIMEOUT_MS_MAX.
timeout_ms(infinity) -> 0;
timeout_ms(0) -> 1;
timeout_ms(Ms) -> min(Ms, ?TIMEOUT_MS_MAX).

-spec deadline(timeout(), integer()) -> infinity | integer().
deadline(infinity, _) -> infinity;
deadline(Ms, NowMs) -> NowMs + Ms.

-spec bytes(entry()) -> non_neg_integer().
bytes({_, _, Bytes, _}) -> Bytes;
bytes(_) -> 0.

%% @doc The entries that the program should have answered by now.
-spec late(integer(), table()) -> table().
late(NowMs, Table) ->
    maps:filter(fun(_, Entry) -> is_late(Entry, NowMs) end, Table).

-spec is_late(entry(), integer()) -> boolean().
is_late({_, _, _, DeadlineMs}, NowMs) when is_integer(DeadlineMs) ->
    NowMs > DeadlineMs + ?DEADLINE_GRACE_MS;
is_late(_, _) ->
    false.

%% @doc Gives everybody the same error.
-spec answer_all(term(), table()) -> ok.
answer_all(Reason, Table) ->
    _ = [To ! {Ref, error, Reason} || {To, Ref, _, _} <- maps:values(Table)],
    ok.
