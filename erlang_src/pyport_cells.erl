%% @private
%% @doc The handle of a buffer: an atomics array, because its reference
%% survives `term_to_binary/1' and back, and because every writer can read
%% and change it without asking anybody.
%%
%% Who writes: `sent' and `waiting' any writer; `credit' and `state' the
%% link, and a state of 0 (open) whoever comes first; `lane' whoever moves
%% the buffer there; the rest never changes once {@link pyport_buffers} has
%% named the buffer.
-module(pyport_cells).

-export([new/2, name/3, is_handle/1]).
-export([number/1, key/1, announced/1, bytes_max/1]).
-export([reserve/3, sent/1, credit/1, set_credit/2]).
-export([start_waiting/2, end_waiting/1]).
-export([state/1, leave_open/2, set_gone/1]).
-export([is_on_lane/1, set_on_lane/1]).

-export_type([handle/0, state/0, why/0]).

-type handle() :: atomics:atomics_ref().
-type state() :: open | why() | gone.
-type why() :: closed | reader_closed | no_space | too_large | too_many.

-define(NUMBER, 1).
-define(KEY, 2).
-define(SENT, 3).
-define(CREDIT, 4).
-define(STATE, 5).
-define(LENGTH, 6).
-define(MAX, 7).
-define(LANE, 8).
-define(MARK, 9).
-define(WAITING, 10).
-define(CELLS, 10).
%% Tells our arrays from those of others.
-define(OURS, 16#70797062756666).
-define(NONE, -1).
-define(GONE, 7).
-define(UNLIMITED, 16#7FFFFFFFFFFFFFFF).

%% @doc A buffer that has no number yet, with its announced length and the
%% most that it may hold.
-spec new(undefined | non_neg_integer(), infinity | non_neg_integer()) ->
          handle().
new(Length, Max) ->
    Cells = atomics:new(?CELLS, [{signed, true}]),
    ok = atomics:put(Cells, ?LENGTH,
                     case Length of undefined -> ?NONE; _ -> Length end),
    ok = atomics:put(Cells, ?MAX,
                     case Max of infinity -> ?UNLIMITED; _ -> Max end),
    ok = atomics:put(Cells, ?MARK, ?OURS),
    Cells.

%% @doc Gives a buffer its number in a program, and its first credit.
-spec name(handle(), {pos_integer(), pos_integer()}, pos_integer()) -> ok.
name(Cells, {Key, Number}, Credit) ->
    ok = atomics:put(Cells, ?NUMBER, Number),
    ok = atomics:put(Cells, ?KEY, Key),
    atomics:put(Cells, ?CREDIT, Credit).

%% @doc Is this a buffer of this node that still exists?
-spec is_handle(term()) -> boolean().
is_handle(Term) ->
    try
        atomics:get(Term, ?MARK) =:= ?OURS
    catch
        error:badarg -> false
    end.

-spec number(handle()) -> pos_integer().
number(Cells) -> atomics:get(Cells, ?NUMBER).

-spec key(handle()) -> pos_integer().
key(Cells) -> atomics:get(Cells, ?KEY).

-spec announced(handle()) -> undefined | non_neg_integer().
announced(Cells) ->
    case atomics:get(Cells, ?LENGTH) of
        ?NONE -> undefined;
        Length -> Length
    end.

-spec bytes_max(handle()) -> infinity | non_neg_integer().
bytes_max(Cells) ->
    case atomics:get(Cells, ?MAX) of
        ?UNLIMITED -> infinity;
        Max -> Max
    end.

%% @doc Takes the place of so many bytes in the stream, all or none, if it
%% is to end at `UpTo' at most. A bound that several writers reach together
%% is kept exactly.
-spec reserve(handle(), pos_integer(), UpTo) -> Reserved
          when UpTo :: non_neg_integer() | infinity,
               Reserved :: {ok, Position :: non_neg_integer()}
                         | too_large | no_room.
reserve(Cells, Bytes, UpTo) ->
    Max = case atomics:get(Cells, ?LENGTH) of
              ?NONE -> atomics:get(Cells, ?MAX);
              Length -> min(Length, atomics:get(Cells, ?MAX))
          end,
    reserve(Cells, Bytes, UpTo, Max, atomics:get(Cells, ?SENT)).

-spec reserve(handle(), pos_integer(), non_neg_integer() | infinity,
              non_neg_integer(), non_neg_integer()) ->
          {ok, Position :: non_neg_integer()} | too_large | no_room.
reserve(_, Bytes, _, Max, Sent) when Bytes > Max - Sent ->
    too_large;
reserve(_, Bytes, UpTo, _, Sent) when Sent + Bytes > UpTo ->
    no_room; %% never with infinity: an atom is more than any number
reserve(Cells, Bytes, UpTo, Max, Sent) ->
    case atomics:compare_exchange(Cells, ?SENT, Sent, Sent + Bytes) of
        ok -> {ok, Sent};
        Others -> reserve(Cells, Bytes, UpTo, Max, Others)
    end.

%% @doc One more writer that will have to wait for credit, unless there are
%% so many. One that is killed leaves its count, but its buffer is over too.
-spec start_waiting(handle(), pos_integer()) -> boolean().
start_waiting(Cells, Max) ->
    case atomics:add_get(Cells, ?WAITING, 1) of
        Count when Count > Max ->
            ok = end_waiting(Cells),
            false;
        _ ->
            true
    end.

-spec end_waiting(handle()) -> ok.
end_waiting(Cells) -> atomics:sub(Cells, ?WAITING, 1).

-spec sent(handle()) -> non_neg_integer().
sent(Cells) -> atomics:get(Cells, ?SENT).

-spec credit(handle()) -> non_neg_integer().
credit(Cells) -> atomics:get(Cells, ?CREDIT).

%% @doc REQUIRES: called by the link. What was given is not taken back.
-spec set_credit(handle(), non_neg_integer()) -> ok.
set_credit(Cells, UpTo) ->
    atomics:put(Cells, ?CREDIT, max(min(UpTo, ?UNLIMITED), credit(Cells))).

-spec state(handle()) -> state().
state(Cells) ->
    case atomics:get(Cells, ?STATE) of
        0 -> open;
        1 -> closed;
        3 -> reader_closed;
        4 -> no_space;
        5 -> too_large;
        6 -> too_many;
        ?GONE -> gone
    end.

%% @doc No more bytes are taken; the first reason stays. True if it is ours.
-spec leave_open(handle(), why()) -> boolean().
leave_open(Cells, Why) ->
    ok =:= atomics:compare_exchange(Cells, ?STATE, 0, number_of(Why)).

-spec number_of(why()) -> 1 | 3..6.
number_of(closed) -> 1;
number_of(reader_closed) -> 3;
number_of(no_space) -> 4;
number_of(too_large) -> 5;
number_of(too_many) -> 6.

%% @doc The program is gone, and the content with it.
-spec set_gone(handle()) -> ok.
set_gone(Cells) -> atomics:put(Cells, ?STATE, ?GONE).

-spec is_on_lane(handle()) -> boolean().
is_on_lane(Cells) -> atomics:get(Cells, ?LANE) =:= 1.

%% @doc From here on everything about the buffer goes over the bulk lane.
-spec set_on_lane(handle()) -> ok.
set_on_lane(Cells) -> atomics:put(Cells, ?LANE, 1).
