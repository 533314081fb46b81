%% @private
%% @doc The sending half of a link: the packet that it is filling, what is in
%% flight and what is held while the program starts, the bulk lane, and the
%% watch over all that. State of {@link pyport_mux} alone; it writes to the
%% port and touches the tables of the link's dictionary.
-module(pyport_outbox).

-export([new/1, opened/3, closed/1, fullness/1, flush/1, frame_bytes_max/1]).
%% requests
-export([request/2, hold/3, expire/2, release/1, refuse_held/2]).
-export([ask/4, control/4, settled/2, granted/3]).
-export([sync_lane/2, connect/2, socket/1]).
%% buffers and channels
-export([make/3, hold_new/4, write/3, touch/3, effects/2]).
%% ends
-export([taken/3, forgotten/1, caller_down/2]).
%% the backstop
-export([key/1, is_idle/1, heard/1, fired/1, arm/1, verdict/1, late/1]).

-export_type([outbox/0]).

%% What stands before a term in a batch.
-define(RUN_ENTRY_BYTES, 30).
-define(CONTROL_ENTRY_BYTES, 13).

-record(outbox, {
    limits :: pyport_inflight:limits(),
    frame_bytes_max :: pos_integer(),
    objects_max :: pyport_objects:limits(),
    watch :: pyport_watch:watch(),
    port = none :: port() | none,
    bulk = pyport_bulk:new() :: pyport_bulk:bulk(),
    next_id = 1 :: pos_integer(),
    pending = 0 :: non_neg_integer(), % entries of pyport_inflight
    pending_bytes = 0 :: non_neg_integer(),
    held = pyport_held:new() :: pyport_held:held(),
    out :: pyport_packet:packet(),
    now_ms = 0 :: integer(),
    %% nothing in flight is late before this
    due_ms = infinity :: infinity | integer()
}).
-opaque outbox() :: #outbox{}.

-spec new(pyport_link:options()) -> outbox().
new(#{frame_bytes_max := Max} = Options) ->
    #outbox{limits = pyport_inflight:limits(Options), frame_bytes_max = Max,
            objects_max = pyport_objects:limits(Options),
            watch = pyport_watch:new(Options),
            out = pyport_packet:new(Max)}.

%% @doc Another program: what the last one owed us is forgotten. It connects
%% its bulk lane at the path.
-spec opened(port(), none | file:filename_all(), outbox()) -> outbox().
opened(Port, Path, #outbox{watch = Watch, bulk = Bulk} = Box) ->
    Box#outbox{port = Port, watch = pyport_watch:restart(Watch),
               bulk = pyport_bulk:opened(Path, Bulk)}.

%% @doc The program is gone; what is in flight stays until it is answered.
-spec closed(outbox()) -> outbox().
closed(#outbox{out = Out, bulk = Bulk} = Box) ->
    Box#outbox{port = none, out = element(2, pyport_packet:take(Out)),
               bulk = pyport_bulk:closed(Bulk)}.

%% @doc Names this start of the program for the handles of its objects.
-spec key(outbox()) -> none | pyport_lanes:key().
key(#outbox{bulk = Bulk}) -> pyport_bulk:key(Bulk).

%% @doc What was in flight was answered.
-spec forgotten(outbox()) -> outbox().
forgotten(Box) ->
    Box#outbox{pending = 0, pending_bytes = 0, due_ms = infinity}.

-spec fullness(outbox()) -> empty | open | full.
fullness(#outbox{out = Out}) -> pyport_packet:fullness(Out).

-spec frame_bytes_max(outbox()) -> pos_integer().
frame_bytes_max(#outbox{frame_bytes_max = Max}) -> Max.

-spec flush(outbox()) -> outbox().
flush(#outbox{out = Out, port = Port} = Box) ->
    {Packet, Empty} = pyport_packet:take(Out),
    try port_command(Port, Packet) of
        true -> ok
    catch
        %% Closed: its last message is in the mailbox and answers everybody.
        error:badarg -> ok
    end,
    Box#outbox{out = Empty}.

%% @doc Puts a message into the packet.
-spec push(iodata(), pos_integer(), outbox()) -> outbox().
push(Message, Bytes, #outbox{out = Out} = Box) ->
    case pyport_packet:fits(Bytes, Out) of
        true -> Box#outbox{out = pyport_packet:add(Message, Bytes, Out)};
        false -> push(Message, Bytes, flush(Box))
    end.

%% requests

%% Why a request of so many bytes is not taken, if it is not.
-spec refusal(non_neg_integer(), outbox()) -> none | term().
refusal(Bytes, #outbox{pending = Pending, pending_bytes = PendingBytes,
                       held = Held, limits = Limits}) ->
    Count = Pending + pyport_held:count(Held),
    Waiting = PendingBytes + pyport_held:bytes(Held),
    pyport_inflight:refusal(Bytes, {Count, Waiting}, Limits).

%% @doc Sends a request, or refuses it. One for the bulk lane may go when the
%% program has read what the link carried about buffers.
-spec request(pyport_held:request(), outbox()) -> outbox().
request({request, Caller, Ref, _, _, _, _, _, Term} = Request, Box)
  when is_binary(Term) ->
    case refusal(byte_size(Term), Box) of
        none ->
            admitted(Request, Box);
        Reason ->
            ok = pyport_sends:behind(Caller, {Ref, error, Reason}),
            Box
    end;
request(Request, #outbox{bulk = Bulk} = Box) ->
    case pyport_bulk:is_settled(Bulk) of
        true ->
            grant(Request, Box);
        false ->
            Deadline = pyport_inflight:deadline(element(8, Request), now_ms()),
            ask({grant, pyport_bulk:mark(Bulk), {Request, Deadline}}, ping,
                <<>>, Box)
    end.

-spec admitted(pyport_held:request(), outbox()) -> outbox().
admitted({request, Caller, Ref, Op, Context, Env, Flags, Timeout, Term},
         Box0) ->
    #outbox{next_id = Id, now_ms = NowMs} = Box = fresh(Box0),
    Bytes = byte_size(Term),
    EnvNumber = pyport_callers:note(Caller, Id, Env, Context),
    Message = pyport_wire:entry(pyport_wire:op_byte(Op), Id, Flags, Context,
                                EnvNumber, pyport_inflight:timeout_ms(Timeout),
                                Term, Bytes),
    Entry = {Caller, Ref, Bytes, pyport_inflight:deadline(Timeout, NowMs)},
    pend(Entry, Message, Bytes + ?RUN_ENTRY_BYTES, Box).

%% The caller may send its request on the bulk lane itself: it gets what
%% stands before the payload.
-spec grant(pyport_held:request(), outbox()) -> outbox().
grant({request, Caller, Ref, _, _, _, _, _, {bulk, Bytes}} = Request,
      #outbox{bulk = Bulk} = Box) ->
    case {pyport_bulk:socket(Bulk), refusal(Bytes, Box)} of
        {none, _} ->
            Caller ! {Ref, bulk, none},
            Box;
        {Socket, none} ->
            admitted_to(Socket, Request, fresh(Box));
        {_, Reason} ->
            ok = pyport_sends:behind(Caller, {Ref, error, Reason}),
            Box
    end.

-spec admitted_to(inet:socket(), pyport_held:request(), outbox()) -> outbox().
admitted_to(Socket, {request, Caller, Ref, Op, Context, Env, Flags, Timeout,
                     {bulk, Bytes}},
            #outbox{next_id = Id, now_ms = NowMs} = Box) ->
    EnvNumber = pyport_callers:note(Caller, Id, Env, Context),
    [<<_:32, Header/binary>> | _] =
        pyport_wire:entry(pyport_wire:op_byte(Op), Id, Flags, Context,
                          EnvNumber, pyport_inflight:timeout_ms(Timeout),
                          <<>>, 0),
    Caller ! {Ref, bulk, Socket, Header},
    Deadline = pyport_inflight:deadline(Timeout, NowMs),
    noted({Caller, Ref, Bytes, Deadline, bulk}, Box).

%% @doc A PING was answered that was sent at this mark.
-spec settled(pyport_bulk:mark(), outbox()) -> outbox().
settled(Mark, #outbox{bulk = Bulk} = Box) ->
    Box#outbox{bulk = pyport_bulk:settled(Mark, Bulk)}.

%% @doc The same, and a request had to wait for it. The time that it waited
%% is time that it does not have any more.
-spec granted(pyport_bulk:mark(),
              {pyport_held:request(), DeadlineMs :: infinity | integer()},
              outbox()) -> outbox().
granted(Mark, {Request, DeadlineMs}, Box) ->
    Left = pyport_inflight:left(DeadlineMs, now_ms()),
    grant(setelement(8, Request, Left), settled(Mark, Box)).

%% @doc Somebody sends a PING on the bulk lane.
-spec sync_lane({pid(), reference()}, outbox()) -> outbox().
sync_lane({Caller, Ref}, #outbox{bulk = Bulk, next_id = Id} = Box) ->
    case pyport_bulk:socket(Bulk) of
        none ->
            Caller ! {Ref, bulk, none},
            Box;
        Socket ->
            Ping = <<(pyport_wire:op_byte(ping)), Id:64>>,
            Caller ! {Ref, bulk, Socket, Ping},
            0 = pyport_callers:note(Caller, Id, none, 0),
            noted({Caller, Ref, 0, infinity, bulk}, Box)
    end.

%% @doc The program has connected its bulk lane.
-spec connect({file:filename_all(), inet:socket()}, outbox()) -> outbox().
connect(Connected, #outbox{bulk = Bulk, frame_bytes_max = Max} = Box) ->
    Box#outbox{bulk = pyport_bulk:connect(Connected, Max, Bulk)}.

-spec socket(outbox()) -> none | inet:socket().
socket(#outbox{bulk = Bulk}) -> pyport_bulk:socket(Bulk).

%% @doc Keeps a request until the program is there, unless that is not soon.
%% Who wants the bulk lane learns that there is none yet, and comes back.
-spec hold(pyport_held:request(), none | pyport_death:death(), outbox()) ->
          outbox().
hold({request, Caller, Ref, _, _, _, _, _, {bulk, _}}, _, Box) ->
    Caller ! {Ref, bulk, none},
    Box;
hold({request, Caller, Ref, _, _, _, _, _, Term} = Request, none,
     #outbox{held = Held} = Box) ->
    case refusal(byte_size(Term), Box) of
        none ->
            Box#outbox{held = pyport_held:add(Request, now_ms(), Held)};
        Reason ->
            ok = pyport_sends:behind(Caller, {Ref, error, Reason}),
            Box
    end;
hold({request, Caller, Ref, _, _, _, _, _, _}, Death, Box) ->
    ok = pyport_sends:behind(Caller, {Ref, error, {context_died, Death}}),
    Box.

-spec expire(reference(), outbox()) -> outbox().
expire(Ref, #outbox{held = Held} = Box) ->
    Box#outbox{held = pyport_held:expire(Ref, Held)}.

%% @doc Sends what was held.
-spec release(outbox()) -> outbox().
release(#outbox{held = Held} = Box0) ->
    Box = Box0#outbox{held = pyport_held:new()},
    Made = lists:foldl(fun({Kind, New}, Acc) -> make(Kind, New, Acc) end,
                       Box, pyport_held:objects(Held)),
    lists:foldl(fun admitted/2, Made, pyport_held:release(now_ms(), Held)).

-spec refuse_held(term(), outbox()) -> outbox().
refuse_held(Reason, #outbox{held = Held} = Box) ->
    ok = pyport_held:answer_all(Reason, Held),
    Box#outbox{held = pyport_held:new()}.

%% @doc Sends a control message; the answer goes to whom the entry names.
-spec ask(pyport_inflight:entry(), pyport_wire:op(), binary(), outbox()) ->
          outbox().
ask(Entry, Op, Term, #outbox{next_id = Id} = Box) ->
    pend(Entry, pyport_wire:control(Op, Id, Term),
         byte_size(Term) + ?CONTROL_ENTRY_BYTES, Box).

%% @doc The same for a caller, which waits as long as it likes: there is no
%% deadline to keep here.
-spec control(reference(), pyport_link:control(), binary(), outbox()) ->
          outbox().
control(Ref, ping, Term, #outbox{bulk = Bulk} = Box) ->
    ask({sync, pyport_bulk:mark(Bulk), Ref}, ping, Term, Box);
control(Ref, Op, Term, Box) ->
    ask({Ref, Ref, byte_size(Term), infinity}, Op, Term, Box).

%% The clock is read once for each packet.
-spec fresh(outbox()) -> outbox().
fresh(#outbox{out = Out} = Box) ->
    case pyport_packet:fullness(Out) of
        empty -> Box#outbox{now_ms = now_ms()};
        _ -> Box
    end.

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).

%% Puts a message that will be answered into the packet.
-spec pend(pyport_inflight:entry(), iodata(), pos_integer(), outbox()) ->
          outbox().
pend(Entry, Message, MessageBytes, Box) ->
    noted(Entry, push(Message, MessageBytes, Box)).

-spec noted(pyport_inflight:entry(), outbox()) -> outbox().
noted(Entry, #outbox{next_id = Id, pending = Pending, pending_bytes = Sum,
                     due_ms = Due, watch = Watch} = Box) ->
    ok = pyport_inflight:add(Id, Entry),
    Box#outbox{next_id = Id + 1, pending = Pending + 1,
               pending_bytes = Sum + pyport_inflight:bytes(Entry),
               due_ms = min(Due, pyport_inflight:due(Entry)),
               watch = pyport_watch:arm(Watch)}.

%% @doc So many requests with so many bytes are not in flight any more.
-spec taken(non_neg_integer(), non_neg_integer(), outbox()) -> outbox().
taken(Count, Bytes, #outbox{pending = Pending, pending_bytes = Sum} = Box) ->
    Box#outbox{pending = Pending - Count, pending_bytes = Sum - Bytes}.

%% buffers and channels

%% @doc Makes a buffer or channel in the program that runs.
-spec make(pyport_object:kind(), pyport_object:new(), outbox()) -> outbox().
make(Kind, New, #outbox{bulk = Bulk, objects_max = Max} = Box) ->
    case pyport_objects:make(Kind, New, pyport_bulk:key(Bulk),
                             maps:get(Kind, Max)) of
        {ok, Entry} -> touch(Entry, iolist_size(Entry), Box);
        error -> Box
    end.

-spec hold_new(pyport_object:kind(), pyport_object:new(),
               none | pyport_death:death(), outbox()) -> outbox().
hold_new(Kind, New, none, #outbox{held = Held, objects_max = Max} = Box) ->
    Box#outbox{held = pyport_held:add_object(Kind, New, maps:get(Kind, Max),
                                             Held)};
hold_new(_, {Reply, _, _, _}, Death, Box) ->
    Reply ! {Reply, {error, {context_died, Death}}},
    Box.

%% @doc Sends content, whose writer has counted it.
-spec write(iodata(), pos_integer(), outbox()) -> outbox().
write(Entry, Bytes, #outbox{bulk = Bulk} = Box) ->
    push(Entry, Bytes, Box#outbox{bulk = pyport_bulk:cast(Bytes, Bulk)}).

%% @doc Sends another message about a buffer or channel on the link, or many.
-spec touch(iodata(), pos_integer(), outbox()) -> outbox().
touch(Entry, Bytes, #outbox{bulk = Bulk} = Box) ->
    push(Entry, Bytes, Box#outbox{bulk = pyport_bulk:touched(Bulk)}).

%% @doc Tells the program about buffers and channels.
-spec effects([pyport_objects:effect()], outbox()) -> outbox().
effects([], Box) ->
    Box;
effects(_, #outbox{port = none} = Box) ->
    Box;
effects(Effects, #outbox{bulk = Bulk, frame_bytes_max = Max} = Box) ->
    ok = pyport_bulk:send([Entry || {lane, Entry} <- Effects], Max, Bulk),
    lists:foldl(fun(Entry, Acc) -> touch(Entry, iolist_size(Entry), Acc) end,
                Box, [Entry || {link, Entry} <- Effects]).

%% ends

%% Cancels a request, if it is in flight, on its lane: it must not overtake
%% what it cancels.
-spec cancel(non_neg_integer(), outbox()) -> outbox().
cancel(Id, #outbox{bulk = Bulk, frame_bytes_max = Max} = Box) ->
    Cancel = pyport_wire:control(cancel, Id, <<>>),
    case pyport_inflight:take(Id) of
        {_, _, Bytes, _} ->
            push(Cancel, ?CONTROL_ENTRY_BYTES, taken(1, Bytes, Box));
        {_, _, 0, _, bulk} ->
            taken(1, 0, Box); %% a PING, there is nothing to cancel
        {_, _, Bytes, _, bulk} ->
            ok = pyport_bulk:send([Cancel], Max, Bulk),
            taken(1, Bytes, Box);
        {grant, _, _} ->
            taken(1, 0, Box); %% the program knows nothing of it
        _ ->
            Box
    end.

%% @doc What a dead process asked for is cancelled, what it owned dropped.
-spec caller_down(pid(), outbox()) -> outbox().
caller_down(Caller, #outbox{port = none} = Box) ->
    _ = pyport_callers:forget(Caller),
    _ = pyport_objects:down(Caller),
    Box;
caller_down(Caller, Box0) ->
    {Id, Places} = pyport_callers:forget(Caller),
    Box = lists:foldl(fun(Place, Acc) ->
                          push(pyport_wire:env_drop(Place), ?RUN_ENTRY_BYTES,
                               Acc)
                      end, cancel(Id, Box0), Places),
    effects(pyport_objects:down(Caller), Box).

-spec is_idle(outbox()) -> boolean().
is_idle(#outbox{pending = Pending, port = Port}) ->
    Pending =:= 0 orelse Port =:= none.

%% the backstop

-spec heard(outbox()) -> outbox().
heard(#outbox{watch = Watch} = Box) ->
    Box#outbox{watch = pyport_watch:heard(Watch)}.

-spec arm(outbox()) -> outbox().
arm(#outbox{watch = Watch} = Box) ->
    Box#outbox{watch = pyport_watch:arm(Watch)}.

-spec fired(outbox()) -> outbox().
fired(#outbox{watch = Watch} = Box) ->
    Box#outbox{now_ms = now_ms(), watch = pyport_watch:fired(Watch)}.

%% @doc Answers the requests that should have been answered. Looks when one
%% may be there.
-spec late(outbox()) -> outbox().
late(#outbox{now_ms = NowMs, due_ms = Due} = Box) when NowMs =< Due ->
    Box;
late(#outbox{now_ms = NowMs} = Box) ->
    {Late, Due} = pyport_inflight:late(NowMs),
    lists:foldl(fun({Id, Entry}, Acc) ->
                    ok = pyport_inflight:answer(timeout, Entry),
                    cancel(Id, Acc)
                end, Box#outbox{due_ms = Due}, Late).

-spec verdict(outbox()) -> {wait | ping | dead, outbox()}.
verdict(#outbox{now_ms = NowMs, watch = Watch0} = Box) ->
    {Verdict, Watch} = pyport_watch:verdict(NowMs, Watch0),
    {Verdict, Box#outbox{watch = Watch}}.
