%% @private
%% @doc What is in flight on a link, and whether one more is admitted.
%%
%% An entry names who gets the answer as `{Ref, Kind, Answer}'. The entries
%% are in the process dictionary of the link, by id: a map that goes back
%% and forth between 32 keys and more is built anew each time, and was the
%% largest single cost of a call.
-module(pyport_inflight).

-export([limits/1, refusal/3, deadline/2, left/2, timeout_ms/1]).
-export([add/2, take/1, is_known/1, bytes/1, due/1, late/1]).
-export([answer_all/1, answer/2]).

-export_type([id/0, entry/0, limits/0]).

-type entry() :: {To :: pid() | reference(), Ref :: reference(),
                  Bytes :: non_neg_integer(),
                  DeadlineMs :: infinity | integer()}
               %% the caller sends it on the bulk lane
               | {To :: pid(), Ref :: reference(), Bytes :: non_neg_integer(),
                  DeadlineMs :: infinity | integer(), bulk}
               %% may go to the bulk lane when this PING is answered
               | {grant, pyport_bulk:mark(),
                  {pyport_held:request(), DeadlineMs :: infinity | integer()}}
               %% a PING of somebody who waits for it
               | {sync, pyport_bulk:mark(), Ref :: reference()}
               %% a PING behind so many bytes for channels
               | {flow, Sent :: non_neg_integer()}
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

%% @doc What is left until a deadline, as a time-out that has not ended yet.
-spec left(infinity | integer(), integer()) -> timeout().
left(infinity, _) -> infinity;
left(DeadlineMs, NowMs) -> max(1, DeadlineMs - NowMs).

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

%% @doc When the link answers in place of the program. What waits for its
%% grant has not reached the program, which gets no grace therefore.
-spec due(entry()) -> infinity | integer().
due({grant, _, {_, DeadlineMs}}) -> DeadlineMs;
due({_, _, _, infinity}) -> infinity;
due({_, _, _, DeadlineMs}) -> DeadlineMs + ?DEADLINE_GRACE_MS;
due({_, _, _, infinity, bulk}) -> infinity;
due({_, _, _, DeadlineMs, bulk}) -> DeadlineMs + ?DEADLINE_GRACE_MS;
due(_) -> infinity.

%% @doc The requests that should have been answered by now, and when the
%% first of the others is due. Looks at everything in the dictionary.
-spec late(integer()) -> {[{id(), entry()}], Due :: infinity | integer()}.
late(NowMs) ->
    Dues = [{due(Entry), Each} || {_, Entry} = Each <- all()],
    {Late, Others} = lists:partition(fun({Due, _}) -> Due < NowMs end, Dues),
    %% An atom is more than any number.
    {[Each || {_, Each} <- Late],
     lists:foldl(fun({Due, _}, Least) -> min(Due, Least) end, infinity,
                 Others)}.

%% @doc Takes everything out and gives everybody the same error.
-spec answer_all(term()) -> ok.
answer_all(Reason) ->
    lists:foreach(fun({Id, Entry}) ->
                      _ = take(Id),
                      answer(Reason, Entry)
                  end, all()).

-spec answer(term(), entry()) -> ok.
answer(Reason, {grant, _, {{request, To, Ref, _, _, _, _, _, _}, _}}) ->
    pyport_sends:behind(To, {Ref, error, Reason});
answer(Reason, {To, Ref, _, _}) ->
    pyport_sends:behind(To, {Ref, error, Reason});
answer(Reason, {To, Ref, _, _, bulk}) ->
    pyport_sends:behind(To, {Ref, error, Reason});
answer(Reason, {sync, _, Ref}) ->
    Ref ! {Ref, error, Reason},
    ok;
answer(_, _) ->
    ok.

%% The dictionary holds other things by keys of other types.
-spec all() -> [{id(), entry()}].
all() ->
    [{Id, Entry} || {Id, Entry} <- get(), is_integer(Id)].
