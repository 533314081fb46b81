%% @private
%% @doc Waiting for room in a channel, in the calling process.
-module(pyport_channel_room).

-export([await/5, deadline/1]).

-export_type([deadline/0]).

-type deadline() :: infinity | integer().
-type put() :: fun(() -> busy | result()).
-type result() :: ok | {error, closed | timeout
                               | {too_large, pos_integer(), pos_integer()}}.

%% How often the program is told that somebody waits.
-define(PATIENCE_MS, 100).

%% @doc Puts a message of so many bytes when there is room. With no time left
%% nothing is asked of the link, which would have to keep it. Whoever was woken
%% says when it is through: until then its turn is kept.
-spec await(pid(), pos_integer(), non_neg_integer(), deadline(), put()) ->
          result().
await(Link, Number, Bytes, Deadline, Put) ->
    case pyport_channel_recv:left(Deadline) of
        0 ->
            {error, timeout};
        _ ->
            Result = in_turn(Link, Number, Bytes, Deadline, Put),
            Link ! {channel, {done, Number, self()}},
            Result
    end.

-spec in_turn(pid(), pos_integer(), non_neg_integer(), deadline(), put()) ->
          result().
in_turn(Link, Number, Bytes, Deadline, Put) ->
    Reply = monitor(process, Link, [{alias, reply_demonitor}]),
    Link ! {channel, {room, Number, {self(), Reply, Bytes}}},
    case awake(Reply, Link, Number, Deadline) of
        look ->
            case {Put(), pyport_channel_recv:left(Deadline)} of
                {busy, 0} -> {error, timeout};
                {busy, _} -> in_turn(Link, Number, Bytes, Deadline, Put);
                {Result, _} -> Result
            end;
        cancelled ->
            {error, timeout};
        closed ->
            {error, closed}
    end.

%% The program is told again and again that somebody waits: a reader that
%% still read when it was told last may stand still now.
-spec awake(reference(), pid(), pos_integer(), deadline()) ->
          look | cancelled | closed.
awake(Reply, Link, Number, Deadline) ->
    Left = pyport_channel_recv:left(Deadline),
    receive
        {Reply, Answer} -> Answer;
        {'DOWN', Reply, process, _, _} -> closed
    after min(Left, ?PATIENCE_MS) ->
        case Left > ?PATIENCE_MS of
            true ->
                Link ! {channel, {ask, Number}},
                awake(Reply, Link, Number, Deadline);
            false ->
                cancelled(Reply, Link, Number)
        end
    end.

%% One who was told to look before the link knew that we gave up looks.
-spec cancelled(reference(), pid(), pos_integer()) ->
          look | cancelled | closed.
cancelled(Reply, Link, Number) ->
    Link ! {channel, {cancel, Number, {self(), Reply}}},
    receive
        {Reply, Answer} -> Answer;
        {'DOWN', Reply, process, _, _} -> closed
    end.

%% @doc When this time-out is over.
-spec deadline(timeout()) -> deadline().
deadline(infinity) -> infinity;
deadline(Ms) -> erlang:monotonic_time(millisecond) + Ms.
