%% @private
%% @doc The end of what is sent to a channel, and of those who died while they
%% sent. In the link, as {@link pyport_channels}.
-module(pyport_channel_ends).

-export([close/2, closed_long/2, torn/2, counted/4]).

-import(pyport_channel_entry, [cells/1, set/2]).

-type channel_number() :: pos_integer().
-type channel() :: pyport_channel_entry:entry().
-type effect() :: pyport_objects:effect().

%% How long what was sent before the end may still be on its way.
-define(END_MS, 1000).

%% @doc Nobody sends any more, and the program is told so once.
%%
%% One who has a place may be killed before the message is sent; then the
%% program waits in vain for what the total says. For a message on the link
%% nothing says so but time; whoever is on the lane has a flag.
-spec close(channel_number(), channel()) -> [effect()].
close(Number, Channel) ->
    Total = pyport_channel_cells:close_sending(cells(Channel)),
    Woken = pyport_channel_entry:wake_all_senders(Channel),
    case pyport_channel_entry:ending(Channel) of
        open ->
            _ = later(Number),
            ok = set(Number, pyport_channel_entry:set_ending(told, Woken)),
            [{link, pyport_wire_channel:message(channel_close, Number, Total)}];
        _ ->
            ok = set(Number, Woken),
            []
    end.

-spec later(channel_number()) -> reference().
later(Number) ->
    erlang:send_after(?END_MS, self(), {channel, {closed_long, Number}}).

%% @doc It was closed a while ago.
-spec closed_long(channel_number(), channel()) -> [].
closed_long(Number, Channel) ->
    case pyport_writers:is_any_at(channel, Number) of
        true ->
            _ = later(Number),
            ok = set(Number, pyport_channel_entry:set_ending(late, Channel)),
            [];
        false ->
            nothing_more(Number, Channel)
    end.

%% What was sent on the lane may not have been read yet.
-spec nothing_more(channel_number(), channel()) -> [].
nothing_more(Number, Channel) ->
    case pyport_channel_entry:is_forgotten(Channel) of
        true ->
            [];
        false ->
            ok = set(Number, pyport_channel_entry:set_ending(told, Channel)),
            ok = pyport_channel_holes:behind_lane(cells(Channel),
                                                  {nothing_more, Number}),
            []
    end.

%% @doc One who was sending on the lane died.
-spec torn(channel_number(), non_neg_integer()) -> ok.
torn(Number, Bytes) ->
    torn(Number, Bytes, pyport_channel_entry:find(Number)).

-spec torn(channel_number(), non_neg_integer(), channel() | undefined) -> ok.
torn(_, _, undefined) ->
    ok;
torn(Number, Bytes, Channel) ->
    Cells = cells(Channel),
    Held = pyport_channel_entry:held(Channel),
    IsLast = not pyport_writers:is_any_at(channel, Number),
    case pyport_channel_entry:ending(Channel) of
        late when IsLast ->
            [] = nothing_more(Number, Channel),
            ok;
        open ->
            HasBound = pyport_channel_cells:bytes_max(Cells) > 0,
            _ = [begin
                     ok = set(Number, pyport_channel_entry:set_held(
                                        Held + Bytes, Channel)),
                     Held > 0 orelse
                         pyport_channel_holes:count(Number, Cells, Bytes)
                 end || HasBound, Bytes > 0],
            ok;
        _ ->
            ok
    end.

%% @doc So many bytes of those who died never come.
%%
%% Somebody who is sending just now has a place too: then it is looked at
%% again. So it is for those who died since the count began.
-spec counted(channel_number(), non_neg_integer(), pos_integer(),
              channel()) -> [].
counted(Number, Bytes, Counted, Channel) ->
    Cells = cells(Channel),
    Held = pyport_channel_entry:held(Channel),
    case pyport_writers:is_any_at(channel, Number) of
        true ->
            pyport_channel_holes:count(Number, Cells, Held);
        false ->
            ok = pyport_channel_cells:give_back(Cells, Bytes),
            Left = Held - Counted,
            ok = set(Number, pyport_channel_entry:set_held(Left, Channel)),
            _ = [pyport_channel_holes:count(Number, Cells, Left) || Left > 0],
            pyport_channel_entry:wake(Number)
    end,
    [].
