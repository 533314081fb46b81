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
%% <li>`{link, Bytes}': casts on the link. Before it takes the bulk lane it
%% waits for the answer to a PING that it sends after them (a barrier): the
%% link's process and the program handle both in order;</li>
%% <li>`lane': messages on the bulk lane. Everything else goes there too,
%% small or not. The answer to a call that went there proves that they were
%% read, and ends this.</li>
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
%% What bounds the casts: after a quarter of a megabyte without a proof a
%% barrier is due, so that neither the mailbox of the link nor its port can
%% grow with a writer that nothing else holds.
-module(pyport_lane).

-export([route/2, answered/1]).
-export([for_buffer/4, casts/2, sync/1, sync_all/0]).

-export_type([choice/0, route/0]).

-type choice() :: link | lane | {error, term()}.
%% `clean': nothing was cast before it.
-type route() :: clean | link | lane.

-define(LANE(Link), {'$pyport_lane', Link}).
%% A write from here on goes over the bulk lane. Measured 2026-11-20, one
%% stream of writes, MB/s on the link and on the lane: 4 KiB 1510 and 770,
%% 8 KiB 2340 and 1460, 16 KiB 2940 and 2900, 32 KiB 3150 and 4720, 64 KiB
%% 3950 and 6070. So many small writes stay on the link however many there
%% are: it puts them together, and each would be a system call here.
-define(WRITE_BYTES, 16 bsl 10).
-define(CASTS_MAX, 256 bsl 10).

%% @doc Where a call goes. The one lookup that a small call pays for.
-spec route(pid(), IsLarge :: boolean()) -> route().
route(Link, IsLarge) ->
    case get(?LANE(Link)) of
        lane -> lane;
        _ when IsLarge, node(Link) =:= node() -> lane;
        undefined -> clean;
        _ -> link
    end.

%% @doc The program has answered a call of this process.
-spec answered(pid()) -> ok.
answered(Link) ->
    _ = erase(?LANE(Link)),
    ok.

%% @doc Where so many bytes for a buffer go. Moves the buffer if it is time.
-spec for_buffer(pid(), none | inet:socket(), pyport_cells:handle(),
                 non_neg_integer()) -> choice().
for_buffer(_, none, _, _) ->
    link;
for_buffer(Link, _, Cells, Bytes) ->
    State = get(?LANE(Link)),
    case pyport_cells:is_on_lane(Cells) of
        true when State =:= undefined; State =:= lane ->
            _ = put(?LANE(Link), lane),
            lane;
        IsThere ->
            case IsThere orelse State =:= lane orelse Bytes >= ?WRITE_BYTES of
                true -> move(Link, Cells);
                false -> link
            end
    end.

-spec move(pid(), pyport_cells:handle()) -> lane | {error, term()}.
move(Link, Cells) ->
    case barrier(Link) of
        ok ->
            ok = pyport_cells:set_on_lane(Cells),
            _ = put(?LANE(Link), lane),
            lane;
        {error, _} = Error ->
            Error
    end.

%% @doc This process has cast so many bytes over the link.
-spec casts(pid(), non_neg_integer()) -> ok | {error, term()}.
casts(Link, Bytes) ->
    case get(?LANE(Link)) of
        {link, Before} when Before + Bytes > ?CASTS_MAX ->
            _ = put(?LANE(Link), {link, Bytes}),
            barrier(Link);
        {link, Before} ->
            _ = put(?LANE(Link), {link, Before + Bytes}),
            ok;
        undefined ->
            _ = put(?LANE(Link), {link, Bytes}),
            ok;
        lane ->
            ok %% a program without a bulk lane, after one that had it
    end.

%% Until the program has read what was sent on the link. No time-out: the
%% link answers, or ends.
-spec barrier(pid()) -> ok | {error, term()}.
barrier(Link) ->
    case pyport_link:control(Link, ping, none, infinity) of
        {ok, _} ->
            _ = case get(?LANE(Link)) of
                    {link, _} -> erase(?LANE(Link));
                    _ -> ok
                end,
            ok;
        {error, _} = Error ->
            Error
    end.

%% @doc Until the program has read what this process sent, on either lane.
-spec sync(pid()) -> ok | {error, term()}.
sync(Link) ->
    case get(?LANE(Link)) of
        undefined -> ok;
        {link, _} -> barrier(Link);
        lane -> pyport_link:sync_lane(Link)
    end.

%% @doc The same for every link: another process will go on in our name.
-spec sync_all() -> ok.
sync_all() ->
    _ = [sync(Link) || ?LANE(Link) <- get_keys()],
    ok.
