%% @private
%% @doc The link's end of the bulk lane: the socket, the answers that come
%% on it, and what has to be known to keep the order of calls on it.
%%
%% An answer is in two halves: its bytes on the lane, and on the link the
%% BULK that holds its place. Whichever comes second delivers it. Halves that
%% wait are in the link's dictionary as `{bulk, Id}'; both always come, so
%% one that nobody waits for is taken out by the other.
%%
%% The link never writes to the socket, because that may block: what it has
%% to say there a process says that is started for it.
-module(pyport_bulk).

%% pyport_stdio
-export([door/2, hand_over/2]).
%% pyport_outbox and pyport_mux
-export([new/0, opened/2, connect/3, closed/1, socket/1, key/1]).
-export([place/1, bytes/2, send/3]).
-export([touched/1, cast/2, lost/1, mark/1, is_settled/1, settled/2]).

-include_lib("kernel/include/file.hrl").
-include_lib("kernel/include/logger.hrl").

-export_type([bulk/0, half/0, door/0, mark/0]).

-record(bulk, {
    key = none :: none | pyport_lanes:key(),
    %% where this start of the program connects; none if it is to have no lane
    path = none :: none | file:filename_all(),
    socket = none :: none | inet:socket(),
    %% messages about buffers on the link; those that a PING has followed
    touches = 0 :: non_neg_integer(),
    settled = 0 :: non_neg_integer(),
    %% the same for the bytes that were cast, which the writers count up and
    %% the link down
    casts :: pyport_lanes:casts(),
    cast = 0 :: non_neg_integer(),
    cast_settled = 0 :: non_neg_integer()
}).
-opaque bulk() :: #bulk{}.
-opaque mark() :: {Touches :: non_neg_integer(), Cast :: non_neg_integer()}.
-type half() :: {Kind :: 16#80..16#82, Term :: binary()}.

-define(SOCKET_BYTES, 4 bsl 20).
-define(HIGH_WATERMARK, 1 bsl 20).
-define(LOW_WATERMARK, 512 bsl 10).

%% Who gets the socket, the path that it came from, and whose process may
%% connect there (any, where the system does not say).
-type door() :: none
              | {pid(), file:filename_all(), Uid :: non_neg_integer() | any}.

%% SOL_SOCKET and SO_PEERCRED of Linux; struct ucred is pid, uid, gid.
-define(PEERCRED, [{raw, 1, 17, 12}]).

%% @doc Prepares for the socket of the program that is about to start. The
%% file at the path is ours: it says who we are.
-spec door(none | pid(), file:filename_all()) -> door().
door(none, _) ->
    none;
door(Link, Path) ->
    case {os:type(), file:read_file_info(Path)} of
        {{unix, linux}, {ok, #file_info{uid = Uid}}} -> {Link, Path, Uid};
        {_, _} -> {Link, Path, any}
    end.

%% @doc Gives the link the socket that named itself the bulk lane.
%% REQUIRES: the caller owns it, and it is passive: nothing of it is lost.
-spec hand_over(inet:socket(), door()) -> ok.
hand_over(Socket, none) ->
    gen_tcp:close(Socket);
hand_over(Socket, {Link, Path, Uid}) ->
    Handed = case is_ours(Socket, Uid) of
                 true -> gen_tcp:controlling_process(Socket, Link);
                 false -> {error, eperm}
             end,
    case Handed of
        ok ->
            Link ! {bulk_lane, {Path, Socket}},
            ok;
        {error, Reason} ->
            ?LOG_WARNING(#{what => pyport_bulk_lane_refused,
                           reason => Reason}),
            gen_tcp:close(Socket)
    end.

-spec is_ours(inet:socket(), non_neg_integer() | any) -> boolean().
is_ours(_, any) ->
    true;
is_ours(Socket, Uid) ->
    case inet:getopts(Socket, ?PEERCRED) of
        {ok, [{raw, 1, 17, <<_:32, Uid:32/native, _:32>>}]} -> true;
        _ -> false
    end.

-spec new() -> bulk().
new() -> #bulk{casts = pyport_lanes:register(self())}.

%% @doc A program was started that connects its bulk lane at this path.
-spec opened(none | file:filename_all(), bulk()) -> bulk().
opened(Path, Bulk) ->
    Bulk#bulk{key = pyport_lanes:open(self()), path = Path, socket = none}.

%% @doc Takes over the socket that came from the path.
-spec connect({file:filename_all(), inet:socket()}, pos_integer(), bulk()) ->
          bulk().
connect({Path, Socket}, FrameBytesMax,
        #bulk{path = Path, key = Key, socket = none} = Bulk)
  when Key =/= none ->
    case inet:setopts(Socket, options(FrameBytesMax)) of
        ok ->
            ok = pyport_lanes:connect(Key, Socket),
            Bulk#bulk{socket = Socket};
        {error, _} ->
            ok = gen_tcp:close(Socket),
            Bulk
    end;
connect({_, Socket}, _, Bulk) ->
    ok = gen_tcp:close(Socket),
    Bulk.

%% To close must not wait for a program that does not read.
-spec options(pos_integer()) -> [inet:socket_setopt()].
options(FrameBytesMax) ->
    [{packet, 4}, {packet_size, FrameBytesMax}, {linger, {true, 0}},
     {sndbuf, ?SOCKET_BYTES}, {recbuf, ?SOCKET_BYTES}, {buffer, 65536},
     {high_watermark, ?HIGH_WATERMARK}, {low_watermark, ?LOW_WATERMARK},
     {active, true}].

%% @doc The program is gone.
-spec closed(bulk()) -> bulk().
closed(#bulk{key = none} = Bulk) ->
    Bulk;
closed(#bulk{key = Key, socket = Socket} = Bulk) ->
    ok = pyport_lanes:close(Key),
    _ = [gen_tcp:close(Socket) || Socket =/= none],
    _ = [erase(Name) || {bulk, _} = Name <- get_keys()],
    #bulk{touches = Touches, cast = Cast} = Bulk,
    Settled = settled({Touches, Cast}, Bulk),
    Settled#bulk{key = none, path = none, socket = none}.

-spec socket(bulk()) -> none | inet:socket().
socket(#bulk{socket = Socket}) -> Socket.

-spec key(bulk()) -> none | pyport_lanes:key().
key(#bulk{key = Key}) -> Key.

%% @doc The place of an answer: its bytes, if they are here.
-spec place(pyport_inflight:id()) -> half() | none.
place(Id) ->
    case erase({bulk, Id}) of
        {_, _} = Half ->
            Half;
        dropped ->
            none;
        undefined ->
            _ = put({bulk, Id}, announced),
            none
    end.

%% @doc The bytes of an answer, to be delivered if its place was there. They
%% are not kept for a request that is over.
-spec bytes(pyport_inflight:id(), half()) -> half() | none.
bytes(Id, Half) ->
    case erase({bulk, Id}) of
        announced ->
            Half;
        _ ->
            IsWaited = pyport_inflight:is_known(Id),
            _ = put({bulk, Id}, case IsWaited of
                                    true -> Half;
                                    false -> dropped
                                end),
            none
    end.

%% @doc Has messages, each with its length before it, sent on the lane, in as
%% few packets as the most bytes of one allow.
-spec send([iodata()], pos_integer(), bulk()) -> ok.
send([], _, _) ->
    ok;
send(_, _, #bulk{socket = none}) ->
    ok;
send(Messages, FrameBytesMax, #bulk{socket = Socket}) ->
    %% An error means that the program is gone, and needs to hear nothing.
    pyport_program:spawn_apart(fun() ->
        Last = lists:foldl(fun(Message, Packet) ->
                               put_in(Message, Packet, Socket)
                           end, pyport_packet:new(FrameBytesMax), Messages),
        send_packet(Last, Socket)
    end).

-spec put_in(iodata(), pyport_packet:packet(), inet:socket()) ->
          pyport_packet:packet().
put_in(Message, Packet, Socket) ->
    Bytes = iolist_size(Message),
    case pyport_packet:fits(Bytes, Packet) of
        true ->
            pyport_packet:add(Message, Bytes, Packet);
        false ->
            ok = send_packet(Packet, Socket),
            {_, Empty} = pyport_packet:take(Packet),
            pyport_packet:add(Message, Bytes, Empty)
    end.

-spec send_packet(pyport_packet:packet(), inet:socket()) -> ok.
send_packet(Packet, Socket) ->
    _ = gen_tcp:send(Socket, element(1, pyport_packet:take(Packet))),
    ok.

%% @doc A message about a buffer goes over the link.
-spec touched(bulk()) -> bulk().
touched(#bulk{touches = Touches} = Bulk) ->
    Bulk#bulk{touches = Touches + 1}.

%% @doc The same for content, whose writer has counted it.
-spec cast(non_neg_integer(), bulk()) -> bulk().
cast(MessageBytes, #bulk{cast = Cast} = Bulk) ->
    touched(Bulk#bulk{cast = Cast + pyport_lanes:weight(MessageBytes)}).

%% @doc Content came for a program that is gone.
-spec lost(non_neg_integer()) -> ok.
lost(MessageBytes) ->
    case pyport_lanes:casts(self()) of
        gone -> ok;
        Casts -> pyport_lanes:count_down(Casts,
                                         pyport_lanes:weight(MessageBytes))
    end.

%% @doc What a PING that is sent now will settle.
-spec mark(bulk()) -> mark().
mark(#bulk{touches = Touches, cast = Cast}) -> {Touches, Cast}.

%% @doc Has the program read what the link carried about buffers?
-spec is_settled(bulk()) -> boolean().
is_settled(#bulk{touches = Touches, settled = Settled}) ->
    Touches =:= Settled.

%% @doc What is before the mark was read. PINGs are answered in their order.
-spec settled(mark(), bulk()) -> bulk().
settled({Touches, Cast}, #bulk{casts = Casts, settled = Settled,
                               cast_settled = Before} = Bulk) ->
    ok = pyport_lanes:count_down(Casts, max(0, Cast - Before)),
    Bulk#bulk{settled = max(Touches, Settled),
              cast_settled = max(Cast, Before)}.
