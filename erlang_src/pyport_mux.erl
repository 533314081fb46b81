%% @private
%% @doc The process behind a link: it owns the port, fills packets with the
%% requests that wait in its mailbox and routes each answer by its id
%% without decoding it. A plain loop under proc_lib, because a gen_server
%% cannot see when its mailbox is empty.
%%
%% == Invariants ==
%% <ul>
%% <li>The bytes in flight are bounded by `queue_bytes_max', and what is
%% cast to buffers and channels by credit and by the barriers of {@link
%% pyport_lane}, so the port needs no busy limits and never suspends this
%% process.</li>
%% <li>It never writes to the bulk lane, which may block.</li>
%% <li>No timer runs while nothing is in flight or held, nobody is in the
%% midst of a write and no channel was closed a moment ago.</li>
%% <li>A packet that breaks the grammar ends the program: nothing after it
%% is believed.</li>
%% </ul>
-module(pyport_mux).

-export([start_link/1]).
%% proc_lib and sys
-export([init/2, system_continue/3, system_terminate/4, system_code_change/4]).

-define(OUTPUT_BACKLOG_MAX, 4000).
%% A program whose bulk lane has ended is about to end.
-define(LANE_END_MS, 5000).
%% Off the heap: a fifth more messages of 8 senders a second (2026-11).
-define(SPAWN_OPTIONS,
        [link, {message_queue_data, off_heap}, {min_heap_size, 1 bsl 16},
         {min_bin_vheap_size, 1 bsl 20}]).

-record(mux, {
    host :: pid(),
    stdio :: pid(),
    backlog :: atomics:atomics_ref(),
    port = none :: port() | none,
    os_pid :: non_neg_integer() | undefined,
    %% hello: waits for its answer; opening: the host prepares the contexts
    phase = down :: down | hello | opening | up,
    %% the program does not come back soon: callers get this at once
    refuse = none :: none | pyport_death:death(),
    announced = none :: atom(),
    %% of this start of the program, as the handles of its objects know it
    key = none :: none | pyport_lanes:key(),
    box :: pyport_outbox:outbox()
}).

-spec start_link(pyport_link:options()) -> {ok, pid()}.
start_link(Options) ->
    {ok, proc_lib:spawn_opt(?MODULE, init, [self(), Options], ?SPAWN_OPTIONS)}.

-spec init(pid(), pyport_link:options()) -> no_return().
init(Host, Options) ->
    _ = process_flag(trap_exit, true),
    #{stdio := Stdio, backlog := Backlog} = Options,
    loop(#mux{host = Host, stdio = Stdio, backlog = Backlog,
              box = pyport_outbox:new(Options)}).

%% A packet goes out when it is full or when the mailbox is empty.
-spec loop(#mux{}) -> no_return().
loop(#mux{box = Box} = S) ->
    case pyport_outbox:fullness(Box) of
        empty ->
            receive Message -> loop(handle(Message, S)) end;
        open ->
            receive Message -> loop(handle(Message, S))
            after 0 -> loop(flush(S))
            end;
        full ->
            loop(flush(S))
    end.

-spec handle(term(), #mux{}) -> #mux{}.
handle({request, _, _, _, _, _, _, _, _} = Request,
       #mux{phase = up, box = Box} = S) ->
    S#mux{box = pyport_outbox:request(Request, Box)};
handle({Port, {data, Packet}}, #mux{port = Port} = S) ->
    heard(Packet, S);
handle([Number | Message], #mux{phase = up, box = Box} = S)
  when is_integer(Number) ->
    sent(pyport_channel_out:gather(Number, Message, Box), S);
handle({buffer_write, Key, Entry, Bytes}, #mux{key = Key, box = Box} = S) ->
    S#mux{box = pyport_outbox:write(Entry, Bytes, Box)};
handle({request, _, _, _, _, _, _, _, _} = Request, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:hold(Request, S#mux.refuse, Box)};
handle({'DOWN', _, process, Caller, _}, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:caller_down(Caller, Box)};
handle({tcp, Socket, Packet}, S0) ->
    S = lane(Socket, Packet, S0),
    %% Garbage that holds a megabyte makes the driver touch fresh memory for
    %% the next one: such answers took twice as long (2026-11).
    true = erlang:garbage_collect(self(), [{type, minor}]),
    S;
handle({Kind, Command}, S)
  when Kind =:= buffer; Kind =:= channel; Kind =:= sends ->
    effects(pyport_objects:command(Kind, Command), S);
handle({writer, Pid, Flag}, #mux{box = Box} = S) ->
    ok = pyport_writers:watch(Pid, Flag),
    S#mux{box = pyport_outbox:arm(Box)};
handle({control, Ref, Op, Term}, S) ->
    control(Ref, Op, Term, S);
handle({new, Kind, New}, #mux{phase = up, box = Box} = S) ->
    S#mux{box = pyport_outbox:make(Kind, New, Box)};
handle({new, Kind, New}, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:hold_new(Kind, New, S#mux.refuse, Box)};
handle({sync_lane, Caller, Ref}, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:sync_lane({Caller, Ref}, Box)};
handle({setup, Request}, #mux{port = Port, box = Box} = S)
  when Port =/= none ->
    S#mux{box = pyport_outbox:request(Request, Box)};
handle(tick, #mux{box = Box} = S) ->
    tick(S#mux{box = pyport_outbox:fired(Box)});
handle({timeout, _, {held, Ref}}, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:expire(Ref, Box)};
handle({pyport_host, Command}, S) ->
    command(Command, S);
handle({Port, {exit_status, Status}}, #mux{port = Port} = S) ->
    gone({exit_status, Status}, S);
handle({'EXIT', Port, _}, #mux{port = Port} = S) ->
    gone(link_closed, S);
handle({'EXIT', Pid, Reason}, S) when is_pid(Pid) ->
    terminate(Reason, S); %% the host, or a defect of a courier
handle({system, From, Request}, #mux{host = Host} = S) ->
    sys:handle_system_msg(Request, From, Host, ?MODULE, [], S);
handle(Other, S) ->
    lane_event(Other, S).

-spec sent({pyport_channel_out:found(), pyport_outbox:outbox()}, #mux{}) ->
          #mux{}.
sent({none, Box}, S) -> S#mux{box = Box};
sent({{ok, Message}, Box}, S) -> handle(Message, S#mux{box = Box}).

-spec effects([pyport_objects:effect()], #mux{}) -> #mux{}.
effects(Effects, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:effects(Effects, Box)}.

-spec flush(#mux{}) -> #mux{}.
flush(#mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:flush(Box)}.

-spec control(reference(), pyport_link:control(), binary(), #mux{}) -> #mux{}.
control(Ref, Op, Term, #mux{phase = Phase, box = Box} = S)
  when Phase =:= up; Phase =:= opening ->
    S#mux{box = pyport_outbox:control(Ref, Op, Term, Box)};
control(Ref, _, _, #mux{refuse = Death} = S) ->
    Ref ! {Ref, error, case Death of
                           none -> host_starting;
                           _ -> {context_died, Death}
                       end},
    S.

-spec heard(binary(), #mux{}) -> #mux{}.
heard(Packet, #mux{box = Box} = S) ->
    packet(Packet, S#mux{box = pyport_outbox:heard(Box)}).

-spec packet(binary(), #mux{}) -> #mux{}.
packet(<<16#7F, Rest/binary>>, S) when Rest =/= <<>> ->
    messages(Rest, 0, 0, S);
packet(<<Kind, Id:64, Term/binary>>, S) when Kind >= 16#80, Kind =< 16#82 ->
    answered(Id, Kind, Term, S);
packet(Message, S) ->
    event(Message, S).

%% Counts what it takes out of flight, and notes it once at the end.
-spec messages(binary(), non_neg_integer(), non_neg_integer(), #mux{}) ->
          #mux{}.
messages(<<Size:32, Kind, Id:64, Term:(Size - 9)/binary, Rest/binary>>,
         Count, Bytes, S) when Kind >= 16#80, Kind =< 16#82 ->
    case pyport_inflight:take(Id) of
        {Dest, Ref, EntryBytes, _} ->
            ok = pyport_sends:behind(Dest, {Ref, Kind, Term}),
            messages(Rest, Count + 1, Bytes + EntryBytes, S);
        undefined ->
            messages(Rest, Count, Bytes, S);
        Entry ->
            messages(Rest, Count + 1, Bytes + pyport_inflight:bytes(Entry),
                     answer(Entry, Kind, Term, S))
    end;
messages(<<_:32, 16#B0, Number:64, _/binary>> = Batch, Count, Bytes, S) ->
    objects(pyport_channels:arrived(Number, Batch), Count, Bytes, S);
messages(<<_:32, 16#B4, _/binary>> = Batch, Count, Bytes, S) ->
    objects(pyport_sends:run(Batch), Count, Bytes, S);
messages(<<Size:32, Message:Size/binary, Rest/binary>>, Count, Bytes, S0) ->
    case event(Message, S0) of
        #mux{port = none} = S -> taken(Count, Bytes, S);
        S -> messages(Rest, Count, Bytes, S)
    end;
messages(<<>>, Count, Bytes, S) ->
    taken(Count, Bytes, S);
messages(Torn, Count, Bytes, S) ->
    broken(Torn, taken(Count, Bytes, S)).

%% A message that was not taken breaks the grammar.
-spec objects({non_neg_integer(), binary(), [pyport_objects:effect()]},
              non_neg_integer(), non_neg_integer(), #mux{}) -> #mux{}.
objects({0, Torn, _}, Count, Bytes, S) ->
    broken(Torn, taken(Count, Bytes, S));
objects({_, Rest, Effects}, Count, Bytes, S) ->
    messages(Rest, Count, Bytes, effects(Effects, S)).

-spec taken(non_neg_integer(), non_neg_integer(), #mux{}) -> #mux{}.
taken(Count, Bytes, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:taken(Count, Bytes, Box)}.

-spec half(pyport_inflight:id(), pyport_bulk:half() | none, #mux{}) -> #mux{}.
half(_, none, S) -> S;
half(Id, {Kind, Term}, S) -> answered(Id, Kind, Term, S).

-spec answered(pyport_inflight:id(), byte(), binary(), #mux{}) -> #mux{}.
answered(Id, Kind, Term, S) ->
    case pyport_inflight:take(Id) of
        undefined -> S;
        Entry -> taken(1, pyport_inflight:bytes(Entry),
                       answer(Entry, Kind, Term, S))
    end.

-spec answer(pyport_inflight:entry(), byte(), binary(), #mux{}) -> #mux{}.
answer({Dest, Ref, _, _}, Kind, Term, S) ->
    ok = pyport_sends:behind(Dest, {Ref, Kind, Term}),
    S;
answer({Dest, Ref, _, _, bulk}, Kind, Term, S) ->
    ok = pyport_sends:behind(Dest, {Ref, Kind, Term}),
    S;
answer({flow, Sent}, _, _, S) ->
    ok = pyport_channel_out:settled(Sent),
    S;
answer(ping, _, _, S) ->
    S;
answer({grant, Mark, Request}, _, _, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:granted(Mark, Request, Box)};
answer({sync, Mark, Ref}, Kind, Term, #mux{box = Box} = S) ->
    Ref ! {Ref, Kind, Term},
    S#mux{box = pyport_outbox:settled(Mark, Box)};
answer(hello, Kind, Term, S) ->
    case pyport_program:greeting(Kind, Term) of
        {ok, Hello} -> tell({hello, Hello}, S#mux{phase = opening});
        {refused, _} = Refused -> gone(Refused, S);
        error -> broken(Term, S)
    end.

-spec event(binary(), #mux{}) -> #mux{}.
event(<<16#90, Context:64, Stream, Text/binary>>, S) when Stream =< 2 ->
    ok = pyport_stdio:offer(S#mux.stdio, S#mux.backlog,
                            {Context, Stream, Text}, ?OUTPUT_BACKLOG_MAX),
    S;
event(<<16#91, 0:64, Term/binary>>, S) ->
    case pyport_term:decode(Term) of
        {ok, Reason} when is_atom(Reason) -> S#mux{announced = Reason};
        _ -> broken(Term, S)
    end;
event(Other, S) ->
    case pyport_wire:answer(Other) of
        {ok, {bulk, Id}} ->
            half(Id, pyport_bulk:place(Id), S);
        {ok, Answer} ->
            case pyport_objects:event(Answer) of
                {ok, Effects} -> effects(Effects, S);
                error -> broken(Other, S)
            end;
        error ->
            broken(Other, S)
    end.

-spec broken(binary(), #mux{}) -> #mux{}.
broken(Read, #mux{os_pid = OsPid} = S) ->
    ok = pyport_program:log_broken(Read, OsPid),
    gone(protocol_error, S).

%% the bulk lane

-spec lane(inet:socket(), binary(), #mux{}) -> #mux{}.
lane(Socket, Packet, #mux{box = Box} = S) ->
    case {pyport_outbox:socket(Box), Packet} of
        {Socket, <<Kind, Id:64, Term/binary>>}
          when Kind >= 16#80, Kind =< 16#82 ->
            half(Id, pyport_bulk:bytes(Id, {Kind, Term}), S);
        {Socket, _} ->
            broken(Packet, S);
        _ ->
            S %% of a program that is gone
    end.

-spec lane_event(term(), #mux{}) -> #mux{}.
lane_event({buffer_write, _, _, Bytes}, S) ->
    ok = pyport_bulk:lost(Bytes), %% for a program that is gone
    S;
lane_event({bulk_lane, Connected}, #mux{box = Box} = S) ->
    S#mux{box = pyport_outbox:connect(Connected, Box)};
lane_event({tcp_closed, Socket}, #mux{key = Key, box = Box} = S) ->
    %% The exit status says more, if it comes.
    _ = [erlang:send_after(?LANE_END_MS, self(), {lane_ended, Key})
         || pyport_outbox:socket(Box) =:= Socket],
    S;
lane_event({tcp_error, Socket, _}, S) ->
    lane(Socket, <<"bulk lane">>, S);
lane_event({lane_ended, Key}, #mux{key = Key} = S) when Key =/= none ->
    gone(link_closed, S);
lane_event(_, S) ->
    S. %% what is left of a port that was closed, and strangers' messages

%% the host's commands

-spec command(pyport_link:command(), #mux{}) -> #mux{}.
command({start, Spec}, #mux{phase = down, box = Box0} = S0) ->
    case pyport_program:open(Spec) of
        {ok, Port, OsPid} ->
            Box = pyport_outbox:opened(Port, maps:get(bulk, Spec), Box0),
            S = S0#mux{port = Port, os_pid = OsPid, phase = hello,
                       refuse = none, announced = none,
                       key = pyport_outbox:key(Box),
                       box = pyport_outbox:ask(hello, hello,
                                               pyport_program:hello(), Box)},
            tell({started, OsPid}, flush(S));
        {error, Reason} ->
            tell({gone, {not_started, Reason}, none}, S0)
    end;
command(release, #mux{phase = opening, box = Box} = S) ->
    S#mux{phase = up, box = pyport_outbox:release(Box)};
command(kill, #mux{port = Port} = S) when Port =/= none ->
    gone(silent, S);
command({down, Death, Mode}, #mux{phase = down, box = Box0} = S) ->
    Died = {context_died, Death},
    ok = pyport_inflight:answer_all(Died),
    ok = pyport_objects:answer_waiters(Died),
    Box = pyport_outbox:forgotten(Box0),
    case Mode of
        hold -> S#mux{box = Box};
        refuse -> S#mux{refuse = Death,
                        box = pyport_outbox:refuse_held(Died, Box)}
    end;
command({closed, Context}, S) ->
    ok = pyport_callers:close(Context),
    S;
command(_, S) ->
    S. %% The program died while the host's command was on its way.

-spec tell(pyport_link:event(), #mux{}) -> #mux{}.
tell(Event, #mux{host = Host} = S) ->
    Host ! {pyport_link, self(), Event},
    S.

%% The requests in flight stay until the host knows of what it died.
-spec gone(term(), #mux{}) -> #mux{}.
gone(Why, #mux{port = Port, os_pid = OsPid, announced = Announced} = S) ->
    ok = pyport_program:close(Port, OsPid),
    ok = pyport_objects:gone(S#mux.key),
    tell({gone, Why, Announced},
         S#mux{port = none, phase = down, key = none,
               box = pyport_outbox:closed(S#mux.box)}).

-spec terminate(term(), #mux{}) -> no_return().
terminate(Reason, #mux{port = Port, os_pid = OsPid, box = Box} = S) ->
    Told = pyport_death:told(Reason),
    ok = pyport_objects:gone(S#mux.key),
    ok = pyport_objects:answer_waiters(Told),
    ok = pyport_inflight:answer_all(Told),
    Refused = pyport_outbox:refuse_held(Told, Box),
    _ = [pyport_program:close(Port, OsPid) || Port =/= none],
    _ = pyport_outbox:closed(Refused),
    exit(Reason).

-spec tick(#mux{}) -> #mux{}.
tick(#mux{port = none} = S) ->
    ok = pyport_writers:forget(),
    S;
tick(#mux{box = Box} = S) ->
    case pyport_writers:is_any_writing()
         orelse not pyport_outbox:is_idle(Box) of
        false -> S;
        true -> listen(S#mux{box = pyport_outbox:late(Box)})
    end.

%% The host watches over a program that says no hello. What is in the mailbox
%% already counts as heard: the node may have been suspended itself.
-spec listen(#mux{}) -> #mux{}.
listen(#mux{phase = hello, box = Box} = S) ->
    S#mux{box = pyport_outbox:arm(Box)};
listen(#mux{port = Port, box = Box0} = S0) ->
    {Verdict, Box} = pyport_outbox:verdict(Box0),
    S = S0#mux{box = Box},
    receive
        {Port, {data, Packet}} ->
            heard(Packet, S)
    after 0 ->
        case Verdict of
            ping -> S#mux{box = pyport_outbox:ask(ping, ping, <<>>, Box)};
            dead -> gone(silent, S);
            wait -> S
        end
    end.

-spec system_continue(pid(), [term()], #mux{}) -> no_return().
system_continue(_, _, S) -> loop(S).

-spec system_terminate(term(), pid(), [term()], #mux{}) -> no_return().
system_terminate(Reason, _, _, S) -> terminate(Reason, S).

-spec system_code_change(#mux{}, module(), term(), term()) -> {ok, #mux{}}.
system_code_change(S, _, _, _) -> {ok, S}.
