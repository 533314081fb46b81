%% @private
%% @doc The process behind a link: it owns the port, fills packets with the
%% requests that wait in its mailbox and routes each answer by its id
%% without decoding it. A plain loop under proc_lib, because a gen_server
%% cannot see when its mailbox is empty.
%%
%% == Invariants ==
%% <ul>
%% <li>The bytes in flight are bounded by `queue_bytes_max', so the port
%% needs no busy limits and never suspends this process.</li>
%% <li>No timer runs while nothing is in flight or held.</li>
%% <li>A packet that breaks the grammar ends the program: nothing after it
%% is believed.</li>
%% </ul>
-module(pyport_mux).

-export([start_link/1]).
%% proc_lib and sys
-export([init/2, system_continue/3, system_terminate/4, system_get_state/1,
         system_code_change/4]).

-export_type([options/0]).

-include_lib("kernel/include/logger.hrl").

-define(PACKET_REQUESTS_MAX, 32).
-define(PACKET_BYTES_TARGET, 1 bsl 16).
%% A run message in a batch of one, and in a batch of more.
-define(RUN_HEADER_BYTES, 31).
-define(RUN_ENTRY_BYTES, 30).
-define(OUTPUT_BACKLOG_MAX, 4000).
-define(SPAWN_OPTIONS,
        [link, {min_heap_size, 1 bsl 18}, {min_bin_vheap_size, 1 bsl 20}]).

%% `backlog' counts in its first cell the lines of output that `stdio' has
%% not taken yet and in its second those that were dropped.
-type options() :: #{stdio := pid(), backlog := atomics:atomics_ref(),
                     queue_max := pos_integer(),
                     queue_bytes_max := pos_integer(),
                     frame_bytes_max := pos_integer(),
                     silence := pos_integer(),
                     ping_timeout := pos_integer(), atom() => term()}.
-record(mux, {
    host :: pid(),
    stdio :: pid(),
    backlog :: atomics:atomics_ref(),
    limits :: pyport_inflight:limits(),
    frame_bytes_max :: pos_integer(),
    watch :: pyport_watch:watch(),
    port = none :: port() | none,
    os_pid :: non_neg_integer() | undefined,
    %% hello: waits for its answer; opening: the host prepares the contexts
    phase = down :: down | hello | opening | up,
    %% the program does not come back soon: callers get this at once
    refuse = none :: none | pyport_death:death(),
    announced = none :: atom(),
    held = pyport_held:new() :: pyport_held:held(),
    next_id = 1 :: pos_integer(),
    pending = #{} :: pyport_inflight:table(),
    pending_bytes = 0 :: non_neg_integer(),
    %% the packet that is being filled, last first
    out = [] :: [iodata()],
    out_count = 0 :: non_neg_integer(),
    out_bytes = 0 :: non_neg_integer(),
    now_ms = 0 :: integer()
}).

-spec start_link(options()) -> {ok, pid()}.
start_link(Options) ->
    {ok, proc_lib:spawn_opt(?MODULE, init, [self(), Options],
                            ?SPAWN_OPTIONS)}.

-spec init(pid(), options()) -> no_return().
init(Host, Options) ->
    _ = process_flag(trap_exit, true),
    #{stdio := Stdio, backlog := Backlog, queue_max := QueueMax,
      queue_bytes_max := QueueBytesMax, frame_bytes_max := FrameBytesMax,
      silence := Silence, ping_timeout := PingTimeout} = Options,
    Limits = {QueueMax, QueueBytesMax, FrameBytesMax - ?RUN_HEADER_BYTES},
    loop(#mux{host = Host, stdio = Stdio, backlog = Backlog, limits = Limits,
              frame_bytes_max = FrameBytesMax,
              watch = pyport_watch:new(Silence, PingTimeout)}).

%% A packet goes out when it is full or when the mailbox is empty.
-spec loop(#mux{}) -> no_return().
loop(#mux{out_count = 0} = S) ->
    receive Message -> loop(handle(Message, S)) end;
loop(#mux{out_count = Count, out_bytes = Bytes} = S)
  when Count >= ?PACKET_REQUESTS_MAX; Bytes >= ?PACKET_BYTES_TARGET ->
    loop(flush(S));
loop(S) ->
    receive Message -> loop(handle(Message, S)) after 0 -> loop(flush(S)) end.

-spec handle(term(), #mux{}) -> #mux{}.
handle({request, _, _, _, _, _, _, _, _} = Request, #mux{phase = up} = S) ->
    request(Request, S);
handle({Port, {data, Packet}}, #mux{port = Port} = S) ->
    packet(Packet, S#mux{watch = pyport_watch:heard(S#mux.watch)});
handle({request, _, _, _, _, _, _, _, _} = Request, S) ->
    hold(Request, S);
handle({'DOWN', _, process, Caller, _}, S) ->
    caller_down(Caller, S);
handle({control, Ref, Op, Term}, S) ->
    control(Ref, Op, Term, S);
handle({setup, Request}, #mux{port = Port} = S) when Port =/= none ->
    request(Request, S);
handle(tick, S) ->
    tick(S#mux{now_ms = now_ms(), watch = pyport_watch:fired(S#mux.watch)});
handle({timeout, _, {held, Ref}}, S) ->
    held_timeout(Ref, S);
handle({pyport_host, Command}, S) ->
    command(Command, S);
handle({Port, {exit_status, Status}}, #mux{port = Port} = S) ->
    gone({exit_status, Status}, S);
handle({'EXIT', Port, _}, #mux{port = Port} = S) ->
    gone(link_closed, S);
handle({'EXIT', Host, Reason}, #mux{host = Host} = S) ->
    terminate(Reason, S);
handle({system, From, Request}, #mux{host = Host} = S) ->
    sys:handle_system_msg(Request, From, Host, ?MODULE, [], flush(S));
handle(_, S) ->
    %% What is left of a port that was closed, and strangers' messages.
    S.

%% requests

-spec request(pyport_held:request(), #mux{}) -> #mux{}.
request({request, Caller, Ref, _, _, _, _, _, Term} = Request, S0) ->
    case refusal(byte_size(Term), S0) of
        none ->
            #mux{now_ms = NowMs} = S = fresh(S0),
            send(Request, element(8, Request), NowMs, S);
        Reason ->
            Caller ! {Ref, error, Reason},
            S0
    end.

-spec refusal(non_neg_integer(), #mux{}) -> none | term().
refusal(Bytes, #mux{pending = Pending, pending_bytes = PendingBytes,
                    held = Held, limits = Limits}) ->
    Count = map_size(Pending) + pyport_held:count(Held),
    Waiting = PendingBytes + pyport_held:bytes(Held),
    pyport_inflight:refusal(Bytes, {Count, Waiting}, Limits).

-spec send(pyport_held:request(), timeout(), integer(), #mux{}) -> #mux{}.
send({request, Caller, Ref, Op, Context, Env, Flags, _, Term}, Timeout, NowMs,
     #mux{next_id = Id} = S) ->
    Bytes = byte_size(Term),
    TimeoutMs = pyport_inflight:timeout_ms(Timeout),
    EnvNumber = pyport_callers:note(Caller, Id, Env, Context),
    Message = pyport_wire:entry(op_byte(Op), Id, Flags, Context, EnvNumber,
                                TimeoutMs, Term, Bytes),
    pend({Caller, Ref, Bytes, pyport_inflight:deadline(Timeout, NowMs)}, Bytes, Message,
         Bytes + ?RUN_ENTRY_BYTES, S).

-spec op_byte(pyport_link:op()) -> 16#10..16#12.
op_byte(call) -> 16#10;
op_byte(eval) -> 16#11;
op_byte(exec) -> 16#12.

%% The clock is read once for each packet.
-spec fresh(#mux{}) -> #mux{}.
fresh(#mux{out_count = 0} = S) -> S#mux{now_ms = now_ms()};
fresh(S) -> S.

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).

%% Puts a message that will be answered into the packet.
-spec pend(pyport_inflight:entry(), non_neg_integer(), iodata(), pos_integer(), #mux{}) ->
          #mux{}.
pend(Entry, Bytes, Message, MessageBytes, S0) ->
    #mux{next_id = Id, pending = Pending, pending_bytes = PendingBytes} = S =
        push(Message, MessageBytes,
             S0#mux{watch = pyport_watch:arm(S0#mux.watch)}),
    S#mux{next_id = Id + 1, pending = Pending#{Id => Entry},
          pending_bytes = PendingBytes + Bytes}.

%% A packet must not grow over the limit of a frame.
-spec push(iodata(), pos_integer(), #mux{}) -> #mux{}.
push(Message, Bytes, #mux{out_bytes = OutBytes, frame_bytes_max = Max} = S)
  when OutBytes + Bytes >= Max, OutBytes > 0 ->
    push(Message, Bytes, flush(S));
push(Message, Bytes, #mux{out = Out, out_count = Count, out_bytes = Sum} = S) ->
    S#mux{out = [Message | Out], out_count = Count + 1, out_bytes = Sum + Bytes}.

-spec flush(#mux{}) -> #mux{}.
flush(#mux{out = []} = S) ->
    S;
flush(#mux{out = Out, port = Port} = S) ->
    try port_command(Port, pyport_wire:batch(lists:reverse(Out))) of
        true -> ok
    catch
        %% Closed: its last message is in the mailbox and answers everybody.
        error:badarg -> ok
    end,
    S#mux{out = [], out_count = 0, out_bytes = 0}.

%% A control message waits at most as long as its caller: there is no
%% deadline to keep here.
-spec control(reference(), pyport_link:control(), binary(), #mux{}) -> #mux{}.
control(Ref, Op, Term, #mux{phase = Phase, next_id = Id} = S)
  when Phase =:= up; Phase =:= opening ->
    Message = pyport_wire:control(Op, Id, Term),
    Bytes = byte_size(Term),
    pend({Ref, Ref, Bytes, infinity}, Bytes, Message, Bytes + 13, S);
control(Ref, _, _, #mux{refuse = none} = S) ->
    Ref ! {Ref, error, host_starting},
    S;
control(Ref, _, _, #mux{refuse = Death} = S) ->
    Ref ! {Ref, error, {context_died, Death}},
    S.

%% answers

-spec packet(binary(), #mux{}) -> #mux{}.
packet(<<16#7F, Rest/binary>>, #mux{pending = Pending} = S) when Rest =/= <<>> ->
    messages(Rest, Pending, S#mux.pending_bytes, S);
packet(<<Kind, Id:64, Term/binary>>, #mux{pending = Pending} = S)
  when Kind >= 16#80, Kind =< 16#82 ->
    case maps:take(Id, Pending) of
        {Entry, Left} -> answer(Entry, Kind, Term, S#mux{pending = Left});
        error -> S
    end;
packet(Message, S) ->
    event(Message, S).

%% The two that change with each answer are arguments and not in the record.
-spec messages(binary(), pyport_inflight:table(), non_neg_integer(),
               #mux{}) -> #mux{}.
messages(<<Size:32, Kind, Id:64, Term:(Size - 9)/binary, Rest/binary>>,
         Pending, Bytes, S) when Kind >= 16#80, Kind =< 16#82 ->
    case maps:take(Id, Pending) of
        {{Dest, Ref, EntryBytes, _}, Left} ->
            Dest ! {Ref, Kind, Term},
            messages(Rest, Left, Bytes - EntryBytes, S);
        {Entry, Left} ->
            messages(Rest, Left, Bytes, answer(Entry, Kind, Term, S));
        error ->
            messages(Rest, Pending, Bytes, S)
    end;
messages(<<Size:32, Message:Size/binary, Rest/binary>>, Pending, Bytes, S0) ->
    case event(Message, S0) of
        #mux{port = none} = S ->
            S#mux{pending = Pending, pending_bytes = Bytes};
        S ->
            messages(Rest, Pending, Bytes, S)
    end;
messages(<<>>, Pending, Bytes, S) ->
    S#mux{pending = Pending, pending_bytes = Bytes};
messages(Torn, Pending, Bytes, S) ->
    broken(Torn, S#mux{pending = Pending, pending_bytes = Bytes}).

-spec answer(pyport_inflight:entry(), byte(), binary(), #mux{}) -> #mux{}.
answer({Dest, Ref, Bytes, _}, Kind, Term, #mux{pending_bytes = Sum} = S) ->
    Dest ! {Ref, Kind, Term},
    S#mux{pending_bytes = Sum - Bytes};
answer(ping, _, _, S) ->
    S;
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
    broken(Other, S).

-spec broken(binary(), #mux{}) -> #mux{}.
broken(Read, #mux{os_pid = OsPid} = S) ->
    ?LOG_ERROR(#{what => pyport_protocol_error, os_pid => OsPid,
                 bytes => byte_size(Read),
                 first => binary:part(Read, 0, min(16, byte_size(Read)))}),
    gone(protocol_error, S).

%% callers that die, programs that start

-spec caller_down(pid(), #mux{}) -> #mux{}.
caller_down(Caller, #mux{port = none} = S) ->
    _ = pyport_callers:forget(Caller),
    S;
caller_down(Caller, S) ->
    {Id, Places} = pyport_callers:forget(Caller),
    lists:foldl(fun(Place, Acc) ->
                    push(pyport_wire:env_drop(Place), ?RUN_ENTRY_BYTES, Acc)
                end, cancel(Id, S), Places).

-spec cancel(non_neg_integer(), #mux{}) -> #mux{}.
cancel(Id, #mux{pending = Pending, pending_bytes = Sum} = S) ->
    case maps:take(Id, Pending) of
        {{_, _, Bytes, _}, Left} ->
            push(pyport_wire:control(cancel, Id, <<>>), 13,
                 S#mux{pending = Left, pending_bytes = Sum - Bytes});
        _ ->
            S
    end.

-spec hold(pyport_held:request(), #mux{}) -> #mux{}.
hold({request, Caller, Ref, _, _, _, _, Timeout, Term} = Request,
     #mux{refuse = none, held = Held} = S) ->
    case refusal(byte_size(Term), S) of
        none ->
            ok = pyport_callers:meet(Caller),
            _ = [erlang:start_timer(pyport_inflight:timeout_ms(Timeout),
                                    self(), {held, Ref}) || Timeout =/= infinity],
            S#mux{held = pyport_held:add(Request, now_ms(), Held)};
        Reason ->
            Caller ! {Ref, error, Reason},
            S
    end;
hold({request, Caller, Ref, _, _, _, _, _, _}, #mux{refuse = Death} = S) ->
    Caller ! {Ref, error, {context_died, Death}},
    S.

-spec held_timeout(reference(), #mux{}) -> #mux{}.
held_timeout(Ref, #mux{held = Held} = S) ->
    case pyport_held:take(Ref, Held) of
        {Request, Left} ->
            element(2, Request) ! {Ref, error, timeout},
            S#mux{held = Left};
        error ->
            S
    end.

%% The time that a request was held is time that it does not have any more.
-spec release({pyport_held:request(), integer()}, #mux{}) -> #mux{}.
release({Request, ArrivedMs}, #mux{now_ms = NowMs} = S) ->
    Timeout = case element(8, Request) of
                  infinity -> infinity;
                  Ms -> max(1, Ms - (NowMs - ArrivedMs))
              end,
    case pyport_callers:is_known(element(2, Request)) of
        true -> send(Request, Timeout, NowMs, S);
        false -> S
    end.

%% the host's commands

-spec command(pyport_link:command(), #mux{}) -> #mux{}.
command({start, Spec}, #mux{phase = down, next_id = Id} = S0) ->
    case pyport_program:open(Spec) of
        {ok, Port, OsPid} ->
            S = S0#mux{port = Port, os_pid = OsPid, phase = hello,
                       refuse = none, announced = none,
                       watch = pyport_watch:restart(S0#mux.watch)},
            Term = pyport_program:hello(),
            Hello = pyport_wire:control(hello, Id, Term),
            tell({started, OsPid},
                 flush(pend(hello, 0, Hello, byte_size(Term) + 13, S)));
        {error, Reason} ->
            tell({gone, {not_started, Reason}, none}, S0)
    end;
command(release, #mux{phase = opening, held = Held} = S) ->
    lists:foldl(fun release/2,
                S#mux{phase = up, held = pyport_held:new(), now_ms = now_ms()},
                pyport_held:in_order(Held));
command(kill, #mux{port = Port} = S) when Port =/= none ->
    gone(silent, S);
command({down, Death, Mode}, #mux{phase = down, held = Held} = S0) ->
    ok = pyport_inflight:answer_all({context_died, Death}, S0#mux.pending),
    S = S0#mux{pending = #{}, pending_bytes = 0},
    case Mode of
        hold ->
            S;
        refuse ->
            ok = pyport_held:answer_all({context_died, Death}, Held),
            S#mux{refuse = Death, held = pyport_held:new()}
    end;
command(_, S) ->
    %% The program died while the host's command was on its way.
    S.

-spec tell(pyport_link:event(), #mux{}) -> #mux{}.
tell(Event, #mux{host = Host} = S) ->
    Host ! {pyport_link, self(), Event},
    S.

%% The requests in flight stay until the host knows of what it died.
-spec gone(term(), #mux{}) -> #mux{}.
gone(Why, #mux{port = Port, os_pid = OsPid, announced = Announced} = S) ->
    ok = pyport_program:close(Port, OsPid, now),
    tell({gone, Why, Announced},
         S#mux{port = none, phase = down, out = [], out_count = 0,
               out_bytes = 0}).

-spec terminate(term(), #mux{}) -> no_return().
terminate(Reason, #mux{port = Port, os_pid = OsPid} = S) ->
    Told = case Reason of
               {shutdown, {context_died, _} = Died} -> Died;
               _ -> context_destroyed
           end,
    ok = pyport_inflight:answer_all(Told, S#mux.pending),
    ok = pyport_held:answer_all(Told, S#mux.held),
    _ = [pyport_program:close(Port, OsPid, later) || Port =/= none],
    exit(Reason).

%% the backstop

-spec tick(#mux{}) -> #mux{}.
tick(#mux{pending = Pending} = S) when map_size(Pending) =:= 0 ->
    S;
tick(#mux{port = none} = S) ->
    S;
tick(#mux{pending = Pending, now_ms = NowMs} = S) ->
    Late = pyport_inflight:late(NowMs, Pending),
    ok = pyport_inflight:answer_all(timeout, Late),
    listen(lists:foldl(fun cancel/2, S, maps:keys(Late))).

%% The host watches over a program that says no hello.
%% What is in the mailbox already counts as heard: the node may have been
%% suspended itself.
-spec listen(#mux{}) -> #mux{}.
listen(#mux{phase = hello, watch = Watch} = S) ->
    S#mux{watch = pyport_watch:arm(Watch)};
listen(#mux{port = Port, next_id = Id} = S0) ->
    {Verdict, Watch} = pyport_watch:verdict(S0#mux.now_ms, S0#mux.watch),
    S = S0#mux{watch = Watch},
    receive
        {Port, {data, Packet}} ->
            packet(Packet, S#mux{watch = pyport_watch:heard(Watch)})
    after 0 ->
        case Verdict of
            ping -> pend(ping, 0, pyport_wire:control(ping, Id, <<>>), 13, S);
            dead -> gone(silent, S);
            wait -> S
        end
    end.

%% sys

-spec system_continue(pid(), [term()], #mux{}) -> no_return().
system_continue(_, _, S) -> loop(S).

-spec system_terminate(term(), pid(), [term()], #mux{}) -> no_return().
system_terminate(Reason, _, _, S) -> terminate(Reason, S).

-spec system_get_state(#mux{}) -> {ok, #mux{}}.
system_get_state(S) -> {ok, S}.

-spec system_code_change(#mux{}, module(), term(), term()) -> {ok, #mux{}}.
system_code_change(S, _, _, _) -> {ok, S}.
