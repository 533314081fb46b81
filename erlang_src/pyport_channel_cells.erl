%% @private
%% @doc The handle of a channel: an atomics array, as that of a buffer is
%% ({@link pyport_cells}), so that senders and receivers ask nobody.
%%
%% To Python: `sent' is what all messages weigh whose senders have their
%% place, and less than nothing once the channel is closed, so that a place
%% and the end exclude each other. `empty' counts the messages that weigh 1
%% and have no size. `taken' is the size of what Python has taken.
%%
%% To Erlang: the link counts up `arrived', whoever takes a message
%% `claimed'; `received' is the size of what was claimed, `told' and
%% `told_count' what the program knows of both.
%%
%% Who writes: `sent', `empty', `asked' and `lane' any sender; `claimed' and
%% `received' receivers and the link; `taken', `arrived', `told', `told_count',
%% `wanted' and `ended' the link, which also gives places of `sent' back.
-module(pyport_channel_cells).

-export([new/2, name/3, kind/1, number/1, key/1, bytes_max/1]).
-export([reserve/3, close_sending/1, is_closed/1, set_taken/2, room/1]).
-export([sent/1, may_ask/2]).
-export([give_back/2, is_on_lane/1, set_on_lane/1]).
-export([arrive/2, arrived/1, claimed/1, claim/2, claim_next/1, cut_off/1]).
-export([receive_bytes/2, untold/1, set_told/2, is_step/2]).
-export([is_wanted/1, set_wanted/2, is_ended/1, set_ended/1]).

-export_type([handle/0, kind/0]).

-type handle() :: atomics:atomics_ref().
-type kind() :: terms | bytes.

-define(NUMBER, 1).
-define(KEY, 2).
-define(SENT, 3).
-define(TAKEN, 4).
-define(EMPTY, 5).
-define(MAX, 6).
-define(ASKED, 7).
-define(LANE, 8).
%% Where pyport_cells has its own: a channel is no buffer.
-define(MARK, 9).
-define(ARRIVED, 10).
-define(CLAIMED, 11).
-define(RECEIVED, 12).
-define(TOLD, 13).
-define(WANTED, 14).
-define(ENDED, 15).
-define(TOLD_COUNT, 16).
-define(CELLS, 16).
-define(TERMS, 16#70797063680000).
-define(BYTES, 16#70797063680001).
%% Far from every sum, and still a small integer.
-define(CLOSED, (1 bsl 58)).
-define(STEP_BYTES_MAX, (1 bsl 20)).
%% What a message costs besides its bytes: `kMessageOverheadBytes' of the
%% program's store/channel.hpp.
-define(OVERHEAD_BYTES, 64).
-define(STEP_COUNT, (?STEP_BYTES_MAX div ?OVERHEAD_BYTES)).
-define(ASK_MS, 10).

%% @doc A channel that has no number yet. 0: no bound.
-spec new(kind(), non_neg_integer()) -> handle().
new(Kind, Max) ->
    Cells = atomics:new(?CELLS, [{signed, true}]),
    ok = atomics:put(Cells, ?MAX, Max),
    ok = atomics:put(Cells, ?ASKED, erlang:monotonic_time(millisecond)
                                        - ?ASK_MS),
    ok = atomics:put(Cells, ?MARK, case Kind of
                                       terms -> ?TERMS;
                                       bytes -> ?BYTES
                                   end),
    Cells.

%% @doc Gives a channel its number in a program.
-spec name(handle(), pyport_lanes:key(), pos_integer()) -> ok.
name(Cells, Key, Number) ->
    ok = atomics:put(Cells, ?NUMBER, Number),
    atomics:put(Cells, ?KEY, Key).

%% @doc What kind of channel of this node this is, if it is one.
-spec kind(term()) -> kind() | none.
kind(Term) ->
    try atomics:get(Term, ?MARK) of
        ?TERMS -> terms;
        ?BYTES -> bytes;
        _ -> none
    catch
        error:badarg -> none
    end.

-spec number(handle()) -> pos_integer().
number(Cells) -> atomics:get(Cells, ?NUMBER).

-spec key(handle()) -> pyport_lanes:key().
key(Cells) -> atomics:get(Cells, ?KEY).

-spec bytes_max(handle()) -> non_neg_integer().
bytes_max(Cells) -> atomics:get(Cells, ?MAX).

%% to Python

%% @doc Takes the place of a message of so many bytes, if there is room and
%% the channel is open. A bound that several senders reach together is kept
%% exactly.
-spec reserve(handle(), non_neg_integer(), Max :: non_neg_integer()) ->
          ok | busy | closed.
reserve(Cells, 0, _) ->
    reserve_empty(Cells);
reserve(Cells, Bytes, 0) ->
    case atomics:add_get(Cells, ?SENT, Bytes) of
        Sent when Sent > 0 ->
            ok;
        _ ->
            ok = atomics:sub(Cells, ?SENT, Bytes), %% it counts for the total
            closed
    end;
reserve(Cells, Bytes, Max) ->
    reserve(Cells, Bytes, Bytes, Max, atomics:get(Cells, ?SENT)).

%% An empty message needs no room, but counts for the total.
-spec reserve_empty(handle()) -> ok | closed.
reserve_empty(Cells) ->
    case reserve(Cells, 0, 1, 0, atomics:get(Cells, ?SENT)) of
        ok -> atomics:add(Cells, ?EMPTY, 1);
        closed -> closed
    end.

%% `empty' is read first: a place is in `sent' before it is there.
-spec reserve(handle(), non_neg_integer(), pos_integer(), non_neg_integer(),
              integer()) -> ok | busy | closed.
reserve(_, _, _, _, Sent) when Sent < 0 ->
    closed;
reserve(Cells, Bytes, Weight, Max, Sent) ->
    Empty = atomics:get(Cells, ?EMPTY),
    Taken = atomics:get(Cells, ?TAKEN),
    if
        Max > 0, Sent - Empty + Bytes > Taken + Max ->
            busy;
        true ->
            case atomics:compare_exchange(Cells, ?SENT, Sent, Sent + Weight) of
                ok -> ok;
                Others -> reserve(Cells, Bytes, Weight, Max, Others)
            end
    end.

%% @doc Nobody gets a place from here on. What was sent weighs so much; if it
%% was closed before, some may be in it that are being refused just now.
-spec close_sending(handle()) -> Total :: non_neg_integer().
close_sending(Cells) ->
    close_sending(Cells, atomics:get(Cells, ?SENT)).

-spec close_sending(handle(), integer()) -> non_neg_integer().
close_sending(_, Sent) when Sent < 0 ->
    Sent + ?CLOSED;
close_sending(Cells, Sent) ->
    case atomics:compare_exchange(Cells, ?SENT, Sent, Sent - ?CLOSED) of
        ok -> Sent;
        Others -> close_sending(Cells, Others)
    end.

-spec is_closed(handle()) -> boolean().
is_closed(Cells) -> atomics:get(Cells, ?SENT) < 0.

%% @doc The size of all messages that were sent. For a closed channel some may
%% be in it that are being refused just now.
-spec sent(handle()) -> non_neg_integer().
sent(Cells) ->
    Empty = atomics:get(Cells, ?EMPTY),
    case atomics:get(Cells, ?SENT) of
        Sent when Sent < 0 -> Sent + ?CLOSED - Empty;
        Sent -> Sent - Empty
    end.

%% @doc The place of so many bytes is free again: they were not sent and never
%% will be.
-spec give_back(handle(), non_neg_integer()) -> ok.
give_back(Cells, Bytes) -> atomics:sub(Cells, ?SENT, Bytes).

%% @doc REQUIRES: called by the link.
-spec set_taken(handle(), non_neg_integer()) -> ok.
set_taken(Cells, UpTo) ->
    atomics:put(Cells, ?TAKEN, max(UpTo, atomics:get(Cells, ?TAKEN))).

%% @doc How much fits now; an atom is more than any number.
-spec room(handle()) -> integer() | infinity.
room(Cells) ->
    case atomics:get(Cells, ?MAX) of
        0 -> infinity;
        Max -> Max + atomics:get(Cells, ?TAKEN) - sent(Cells)
    end.

%% @doc Is it time to ask the program again what Python has taken? One of
%% those who ask at once is told so.
-spec may_ask(handle(), NowMs :: integer()) -> boolean().
may_ask(Cells, NowMs) ->
    Asked = atomics:get(Cells, ?ASKED),
    NowMs - Asked >= ?ASK_MS andalso
        ok =:= atomics:compare_exchange(Cells, ?ASKED, Asked, NowMs).

-spec is_on_lane(handle()) -> boolean().
is_on_lane(Cells) -> atomics:get(Cells, ?LANE) =:= 1.

%% @doc The program knows the channel: the bulk lane may be used for it.
-spec set_on_lane(handle()) -> ok.
set_on_lane(Cells) -> atomics:put(Cells, ?LANE, 1).

%% to Erlang

%% @doc So many messages more may be claimed. REQUIRES: called by the link.
-spec arrive(handle(), pos_integer()) -> ok.
arrive(Cells, Count) -> atomics:add(Cells, ?ARRIVED, Count).

-spec arrived(handle()) -> non_neg_integer().
arrived(Cells) -> atomics:get(Cells, ?ARRIVED).

-spec claimed(handle()) -> non_neg_integer().
claimed(Cells) -> atomics:get(Cells, ?CLAIMED).

%% @doc Takes the message of this number, which has arrived, unless others
%% were first: then the number of the next one.
-spec claim(handle(), non_neg_integer()) -> ok | non_neg_integer().
claim(Cells, Index) ->
    atomics:compare_exchange(Cells, ?CLAIMED, Index, Index + 1).

%% @doc Takes a message that has not arrived for nobody but the link yet.
%% REQUIRES: called by the link when everything is claimed.
-spec claim_next(handle()) -> ok.
claim_next(Cells) ->
    ok = atomics:add(Cells, ?CLAIMED, 1),
    atomics:add(Cells, ?ARRIVED, 1).

%% @doc Nothing can be claimed any more.
-spec cut_off(handle()) -> ok.
cut_off(Cells) -> atomics:put(Cells, ?CLAIMED, ?CLOSED).

%% @doc So many bytes were claimed; the sum.
-spec receive_bytes(handle(), non_neg_integer()) -> non_neg_integer().
receive_bytes(Cells, Bytes) -> atomics:add_get(Cells, ?RECEIVED, Bytes).

%% @doc What the program is to be told, if it does not know it.
-spec untold(handle()) -> {ok, pyport_wire_channel:taken()} | none.
untold(Cells) ->
    Received = atomics:get(Cells, ?RECEIVED),
    Claimed = claimed(Cells),
    case {atomics:get(Cells, ?TOLD), atomics:get(Cells, ?TOLD_COUNT)} of
        {Told, Count} when Told < Received; Count < Claimed ->
            {ok, {Received, Claimed}};
        _ ->
            none
    end.

%% @doc REQUIRES: called by the link.
-spec set_told(handle(), pyport_wire_channel:taken()) -> ok.
set_told(Cells, {UpTo, Count}) ->
    ok = atomics:put(Cells, ?TOLD, UpTo),
    atomics:put(Cells, ?TOLD_COUNT, Count).

%% @doc Is it time to say that so many bytes were received? As often as
%% `credit_step' of the program's store/channel.hpp has it, or when so many
%% messages were that what they cost besides is that much.
-spec is_step(handle(), non_neg_integer()) -> boolean().
is_step(Cells, Received) ->
    Step = case atomics:get(Cells, ?MAX) of
               Max when Max > 0, Max < 4 * ?STEP_BYTES_MAX -> Max div 4 + 1;
               _ -> ?STEP_BYTES_MAX
           end,
    Received - atomics:get(Cells, ?TOLD) >= Step orelse
        claimed(Cells) - atomics:get(Cells, ?TOLD_COUNT) >= ?STEP_COUNT.

%% @doc Does Python wait for room?
-spec is_wanted(handle()) -> boolean().
is_wanted(Cells) -> atomics:get(Cells, ?WANTED) =:= 1.

-spec set_wanted(handle(), boolean()) -> ok.
set_wanted(Cells, true) -> atomics:put(Cells, ?WANTED, 1);
set_wanted(Cells, false) -> atomics:put(Cells, ?WANTED, 0).

%% @doc Nothing more arrives.
-spec set_ended(handle()) -> ok.
set_ended(Cells) -> atomics:put(Cells, ?ENDED, 1).

-spec is_ended(handle()) -> boolean().
is_ended(Cells) -> atomics:get(Cells, ?ENDED) =:= 1.
