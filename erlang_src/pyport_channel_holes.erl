%% @private
%% @doc What waits for the bulk lane in the name of the link, which must not:
%% each is a process of its own, and ends with the link or its program.
%%
%% A sender that was killed before its large message was sent has left its
%% place in the channel taken. How much of what has a place never comes is the
%% difference between that and what has arrived in the program, when nothing is
%% on its way: so it is looked at until two looks in turn are the same, each
%% behind all that was sent before on either lane.
-module(pyport_channel_holes).

-export([count/3, behind_lane/2]).

-define(FIRST_MS, 10).
-define(MOST_MS, 1000).

-type cells() :: pyport_channel_cells:handle().
-type look() :: none | {Sent :: non_neg_integer(),
                        Arrived :: non_neg_integer()}.

%% @doc Sends the calling link `{counted, Number, Bytes, Held}' when it is
%% known how many of these bytes never come.
-spec count(pos_integer(), cells(), Held :: pos_integer()) -> ok.
count(Number, Cells, Held) ->
    Link = self(),
    _ = spawn(fun() -> count(Link, Number, Cells, Held, none, ?FIRST_MS) end),
    ok.

-spec count(pid(), pos_integer(), cells(), pos_integer(), look(),
            pos_integer()) -> ok.
count(Link, Number, Cells, Held, Last, PauseMs) ->
    Sent = pyport_channel_cells:sent(Cells),
    case arrived(Link, Number) of
        {ok, Arrived} ->
            case pyport_channel_cells:sent(Cells) of
                Sent when Last =:= {Sent, Arrived} ->
                    Bytes = max(0, min(Sent - Arrived, Held)),
                    tell(Link, {counted, Number, Bytes, Held});
                _ ->
                    receive after PauseMs -> ok end,
                    count(Link, Number, Cells, Held, {Sent, Arrived},
                          min(PauseMs * 2, ?MOST_MS))
            end;
        gone ->
            tell(Link, {counted, Number, 0, Held})
    end.

%% What has come of what was sent until now.
-spec arrived(pid(), pos_integer()) -> {ok, non_neg_integer()} | gone.
arrived(Link, Number) ->
    case pyport_link:sync_lane(Link) of
        ok ->
            case pyport_link:control(Link, channel_info, Number, infinity) of
                {ok, #{size := Size, taken := Taken}} -> {ok, Size + Taken};
                _ -> gone
            end;
        {error, _} ->
            gone
    end.

%% @doc Sends the calling link a command about a channel when the program has
%% read what is on the bulk lane.
-spec behind_lane(cells(), pyport_channels:command()) -> ok.
behind_lane(Cells, Command) ->
    Link = self(),
    case pyport_channel_cells:is_on_lane(Cells) of
        true ->
            _ = spawn(fun() ->
                          _ = pyport_link:sync_lane(Link),
                          tell(Link, Command)
                      end),
            ok;
        false ->
            tell(Link, Command)
    end.

-spec tell(pid(), pyport_channels:command()) -> ok.
tell(Link, Command) ->
    Link ! {channel, Command},
    ok.
