%% @private
%% @doc What is in flight on a link, and whether one more is admitted.
%%
%% An entry names who gets the answer as `{Ref, Kind, Answer}'. The entries
%% are in the process dictionary of the link, by id: a map that goes back
%% and forth between 32 keys and more is built anew each time, and was the
%% largest single cost of a call.
-module(pyport_inflight).

-export([limits/1, refusal/3, deadline/2, timeout_ms/1]).
-export([add/2, take/1, is_known/1, bytes/1, late/1]).
-export([answer_all/1, answer/2]).

-export_type([id/0, entry/0, limits/0]).

-type entry() :: {To :: pid() | reference(), Ref :: reference(),
                  Bytes :: non_neg_integer(),
                  DeadlineMs :: infinity | integer()}
               %% the caller sends it on the bulk lane
               | {To :: pid(), Ref :: reference(), Bytes :: non_neg_integer(),
                  DeadlineMs :: infinity | integer(), bulk}
               %% may go to the bulk lane when this PING is answered
               | {grant, Mark :: non_neg_integer(), pyport_held:request()}
               %% a PING of somebody who waits for it
               | {sync, Mark :: non_neg_integer(), Ref :: reference()}
               | hello | ping.
-type id() :: pos_integer().
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
bytes({_, _, Bytes, _, bulk}) -> Bytes;
bytes(_) -> 0.

-spec add(id(), entry()) -> ok.
add(Id, Entry) ->
    _ = put(Id, Entry),
    ok.

%% @doc Takes an entry out; none has this id if it was answered already.
-spec take(id()) -> entry() | undefined.
take(Id) ->
    erase(Id).

-spec is_known(id()) -> boolean().
is_known(Id) ->
    get(Id) =/= undefined.

%% @doc The requests that the program should have answered by now.
-spec late(integer()) -> [{id(), entry()}].
late(NowMs) ->
    [Each || {_, Entry} = Each <- all(), is_late(Entry, NowMs)].

-spec is_late(entry(), integer()) -> boolean().
is_late({_, _, _, DeadlineMs}, NowMs) when is_integer(DeadlineMs) ->
    NowMs > DeadlineMs + ?DEADLINE_GRACE_MS;
is_late({_, _, _, DeadlineMs, bulk}, NowMs) when is_integer(DeadlineMs) ->
    NowMs > DeadlineMs + ?DEADLINE_GRACE_MS;
is_late(_, _) ->
    false.

%% @doc Takes everything out and gives everybody the same error.
-spec answer_all(term()) -> ok.
answer_all(Reason) ->
    lists:foreach(fun({Id, Entry}) ->
                      _ = take(Id),
                      answer(Reason, Entry)
                  end, all()).

-spec answer(term(), entry()) -> ok.
answer(Reason, {To, Ref, _, _}) ->
    To ! {Ref, error, Reason},
    ok;
answer(Reason, {To, Ref, _, _, bulk}) ->
    To ! {Ref, error, Reason},
    ok;
answer(Reason, {grant, _, {request, To, Ref, _, _, _, _, _, _}}) ->
    To ! {Ref, error, Reason},
    ok;
answer(Reason, {sync, _, Ref}) ->
    Ref ! {Ref, error, Reason},
    ok;
answer(_, _) ->
    ok.

%% The dictionary holds other things by keys of other types.
-spec all() -> [{id(), entry()}].
all() ->
    [{Id, Entry} || {Id, Entry} <- get(), is_integer(Id)].
