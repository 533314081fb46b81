%% @private
%% @doc Which of the two lanes a process takes, and why what it sends stays
%% in order.
%%
%% The link carries what is small, through its process; the bulk lane what
%% is large, straight from the calling process. Each lane keeps its order;
%% between them there is none. So a process never has anything on its way on
%% both: its dictionary says, for each link, what it has sent since the
%% program last proved that it has read everything:
%%
%% <ul>
%% <li>nothing (no entry): it may take either lane;</li>
%% <li>`{link, Bytes, Casts}': casts on the link. Before it takes the bulk
%% lane it waits for the answer to a PING that it sends after them (a barrier):
%% the link's process and the program handle both in order;</li>
%% <li>`{lane, Moves}': messages on the bulk lane. Everything else goes there
%% too, small or not. The answer to a call that went there proves that they
%% were read, and ends this. So does a PING there, after so many buffers that
%% were moved for a small write: each of them cost a barrier.</li>
%% </ul>
%%
%% Between processes what was sent before another process was told must come
%% first as well. For a buffer this is so because it moves to the bulk lane
%% once, for all its writers, and whoever moves it does the barrier then:
%% what others sent before, its BUFFER_NEW included, is older than that
%% PING. For a call on the bulk lane the link does the barrier itself, if
%% anything about buffers passed it since the last one ({@link pyport_mux}):
%% the reference of a buffer may have come to this process from another.
%%
%% What bounds the casts: after a quarter of a megabyte of one process, or
%% eight megabytes of all, without a proof a barrier is due, so that neither
%% the mailbox of the link nor its port can grow with writers that nothing
%% else holds.
-module(pyport_lane).

-export([route/2, answered/1]).
-export([for_buffer/4, for_channel/4, casts/2, barrier/1, sync/1, sync_all/0]).

-export_type([choice/0, route/0]).

-type choice() :: link | lane | {error, term()}.
-type state() :: {link, Bytes :: non_neg_integer(), pyport_lanes:casts()}
               | {lane, Moves :: non_neg_integer()}.
%% `clean': nothing was cast before it.
-type route() :: clean | link | lane.

%% The states as [{Link, state()}], which has one element nearly always.
-define(LANES, '$pyport_lanes').
%% A write from here on goes over the bulk lane. Measured 2026-11-20, one
%% stream of writes, MB/s on the link and on the lane: 4 KiB 1510 and 770,
%% 8 KiB 2340 and 1460, 16 KiB 2940 and 2900, 32 KiB 3150 and 4720, 64 KiB
%% 3950 and 6070. So many small writes stay on the link however many there
%% are: it puts them together, and each would be a system call here.
-define(WRITE_BYTES, 16 bsl 10).
-define(CASTS_MAX, 256 bsl 10).
-define(LINK_CASTS_MAX, 8 bsl 20).
%% What stands before the content of a write: length, operation, number.
-define(HEADER_BYTES, 13).
-define(SMALL_MOVES_MAX, 8).

%% @doc Where a call goes. The one lookup that a small call pays for.
-spec route(pid(), IsLarge :: boolean()) -> route().
route(Link, IsLarge) ->
    case state(Link) of
        {lane, _} -> lane;
        _ when IsLarge, node(Link) =:= node() -> lane;
        undefined -> clean;
        _ -> link
    end.

%% @doc The program has answered a call of this process.
-spec answered(pid()) -> ok.
answered(Link) ->
    forget(Link).

%% @doc Where so many bytes for a buffer go. Moves the buffer if it is time.
-spec for_buffer(pid(), none | inet:socket(), pyport_cells:handle(),
                 non_neg_integer()) -> choice().
for_buffer(_, none, _, _) ->
    link;
for_buffer(Link, _, Cells, Bytes) ->
    State = state(Link),
    case {pyport_cells:is_on_lane(Cells), State} of
        {true, {lane, _}} ->
            lane;
        {true, undefined} ->
            ok = set(Link, {lane, 0}),
            lane;
        {true, _} ->
            move(Link, Cells, 0);
        {false, _} when Bytes >= ?WRITE_BYTES ->
            move(Link, Cells, 0);
        {false, {lane, Moves}} when Moves < ?SMALL_MOVES_MAX ->
            move(Link, Cells, Moves + 1);
        {false, {lane, _}} ->
            leave(Link);
        {false, _} ->
            link
    end.

-spec move(pid(), pyport_cells:handle(), non_neg_integer()) ->
          lane | {error, term()}.
move(Link, Cells, Moves) ->
    case barrier(Link) of
        ok ->
            ok = pyport_cells:set_on_lane(Cells),
            ok = set(Link, {lane, Moves}),
            lane;
        {error, _} = Error ->
            Error
    end.

-spec leave(pid()) -> link | {error, term()}.
leave(Link) ->
    case sync(Link) of
        ok -> link;
        {error, _} = Error -> Error
    end.

%% @doc Where a message of so many bytes for a channel goes; it is on its way
%% when it goes over the link. The program must know a channel before the lane
%% is used for it. The mailbox of the link is bounded otherwise
%% ({@link pyport_channel_out}).
-spec for_channel(pid(), none | inet:socket(), pyport_channel_cells:handle(),
                  non_neg_integer()) -> choice().
for_channel(Link, Socket, Cells, Bytes) ->
    case state(Link) of
        {link, _, _} when Bytes < ?WRITE_BYTES -> link;
        {link, _, _} when Socket =:= none -> link;
        State -> for_channel(Link, Socket, Cells, Bytes, State)
    end.

-spec for_channel(pid(), none | inet:socket(), pyport_channel_cells:handle(),
                  non_neg_integer(), state() | undefined) -> choice().
for_channel(Link, Socket, _, Bytes, undefined)
  when Socket =:= none; Bytes < ?WRITE_BYTES ->
    on_link(Link);
for_channel(Link, Socket, _, Bytes, {lane, Moves})
  when Socket =:= none; %% the lane was connected after it was remembered
       Moves =:= ?SMALL_MOVES_MAX, Bytes < ?WRITE_BYTES ->
    case sync(Link) of
        ok -> on_link(Link);
        {error, _} = Error -> Error
    end;
for_channel(Link, _, Cells, Bytes, State) ->
    Moves = case State of
                {lane, Before} when Bytes < ?WRITE_BYTES -> Before + 1;
                _ -> 0
            end,
    IsKnown = pyport_channel_cells:is_on_lane(Cells),
    case State of
        {link, _, _} -> known(Link, Cells, Moves);
        _ when IsKnown -> lane(Link, Moves);
        _ -> known(Link, Cells, Moves)
    end.

-spec on_link(pid()) -> link | {error, gone}.
on_link(Link) ->
    case pyport_lanes:casts(Link) of
        gone ->
            {error, gone};
        Casts ->
            ok = set(Link, {link, 0, Casts}),
            link
    end.

-spec lane(pid(), non_neg_integer()) -> lane.
lane(Link, Moves) ->
    ok = set(Link, {lane, Moves}),
    lane.

-spec known(pid(), pyport_channel_cells:handle(), non_neg_integer()) ->
          lane | {error, term()}.
known(Link, Cells, Moves) ->
    case barrier(Link) of
        ok ->
            ok = pyport_channel_cells:set_on_lane(Cells),
            lane(Link, Moves);
        {error, _} = Error ->
            Error
    end.

%% @doc This process has cast so many bytes over the link; 0 is no content.
-spec casts(pid(), non_neg_integer()) -> ok | {error, term()}.
casts(Link, Bytes) ->
    case state(Link) of
        {link, Before, Casts} -> casts(Link, Before, Bytes, Casts);
        undefined -> first(Link, Bytes, pyport_lanes:casts(Link));
        %% a program without a bulk lane, after one that had it
        {lane, _} -> first(Link, Bytes, pyport_lanes:casts(Link))
    end.

-spec first(pid(), non_neg_integer(), pyport_lanes:casts() | gone) ->
          ok | {error, term()}.
first(_, _, gone) ->
    ok; %% the next write finds that there is no program
first(Link, Bytes, Casts) ->
    casts(Link, 0, Bytes, Casts).

-spec casts(pid(), non_neg_integer(), non_neg_integer(),
            pyport_lanes:casts()) -> ok | {error, term()}.
casts(Link, Before, Bytes, Casts) ->
    IsMuch = Bytes > 0 andalso
        pyport_lanes:count_up(Casts, Bytes + ?HEADER_BYTES) > ?LINK_CASTS_MAX,
    if
        IsMuch; Before + Bytes > ?CASTS_MAX ->
            ok = set(Link, {link, Bytes, Casts}),
            barrier(Link);
        true ->
            set(Link, {link, Before + Bytes, Casts})
    end.

%% @doc Until the program has read what was sent on the link. No time-out: the
%% link answers, or ends. With an error what was sent is lost.
-spec barrier(pid()) -> ok | {error, term()}.
barrier(Link) ->
    case pyport_link:control(Link, ping, none, infinity) of
        {ok, _} ->
            _ = case state(Link) of
                    {link, _, _} -> forget(Link);
                    _ -> ok
                end,
            ok;
        {error, _} = Error ->
            ok = forget(Link),
            Error
    end.

%% @doc Until the program has read what this process sent, on either lane.
-spec sync(pid()) -> ok | {error, term()}.
sync(Link) ->
    case state(Link) of
        undefined -> ok;
        {link, _, _} -> barrier(Link);
        {lane, _} -> sync_lane(Link)
    end.

-spec sync_lane(pid()) -> ok | {error, term()}.
sync_lane(Link) ->
    case pyport_link:sync_lane(Link) of
        ok ->
            ok;
        {error, _} = Error ->
            ok = forget(Link),
            Error
    end.

%% @doc The same for every link: another process will go on in our name.
-spec sync_all() -> ok.
sync_all() ->
    _ = [sync(Link) || {Link, _} <- states()],
    ok.

%% the dictionary

-spec states() -> [{pid(), state()}].
states() ->
    case get(?LANES) of
        undefined -> [];
        States -> States
    end.

-spec state(pid()) -> state() | undefined.
state(Link) ->
    case get(?LANES) of
        undefined -> undefined;
        [{Link, State} | _] -> State;
        States -> proplists:get_value(Link, States)
    end.

%% Links that ended are left out when another comes in.
-spec set(pid(), state()) -> ok.
set(Link, State) ->
    _ = put(?LANES, case get(?LANES) of
                        undefined -> [{Link, State}];
                        [{Link, _} | Others] -> [{Link, State} | Others];
                        States -> [{Link, State} | living(Link, States)]
                    end),
    ok.

-spec living(pid(), [{pid(), state()}]) -> [{pid(), state()}].
living(Link, States) ->
    [Each || {Other, _} = Each <- States, Other =/= Link,
             is_process_alive(Other)].

-spec forget(pid()) -> ok.
forget(Link) ->
    _ = case get(?LANES) of
            undefined -> ok;
            [{Link, _}] -> erase(?LANES);
            States -> case lists:keydelete(Link, 1, States) of
                          [] -> erase(?LANES);
                          Others -> put(?LANES, Others)
                      end
        end,
    ok.
