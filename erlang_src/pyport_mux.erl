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
-export([init/2, system_continue/3, system_terminate/4, system_code_change/4]).

%% What stands before a term in a batch.
-define(RUN_ENTRY_BYTES, 30).
-define(CONTROL_ENTRY_BYTES, 13).
-define(OUTPUT_BACKLOG_MAX, 4000).
-define(SPAWN_OPTIONS,
        [link, {min_heap_size, 1 bsl 16}, {min_bin_vheap_size, 1 bsl 20}]).

-record(mux, {
    host :: pid(),
    stdio :: pid(),
    backlog :: atomics:atomics_ref(),
    limits :: pyport_inflight:limits(),
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
    pending = 0 :: non_neg_integer(), % entries of pyport_inflight
    pending_bytes = 0 :: non_neg_integer(),
    out :: pyport_packet:packet(),
    now_ms = 0 :: integer()
}).

-spec start_link(pyport_link:options()) -> {ok, pid()}.
start_link(Options) ->
    {ok, proc_lib:spawn_opt(?MODULE, init, [self(), Options], ?SPAWN_OPTIONS)}.

-spec init(pid(), pyport_link:options()) -> no_return().
init(Host, Options) ->
    _ = process_flag(trap_exit, true),
    #{stdio := Stdio, backlog := Backlog, frame_bytes_max := Max} = Options,
    loop(#mux{host = Host, stdio = Stdio, backlog = Backlog,
              limits = pyport_inflight:limits(Options),
              watch = pyport_watch:new(Options),
              out = pyport_packet:new(Max)}).

%% A packet goes out when it is full or when the mailbox is empty.
-spec loop(#mux{}) -> no_return().
loop(#mux{out = Out} = S) ->
    case pyport_packet:fullness(Out) of
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
    S#mux{held = pyport_held:expire(Ref, S#mux.held)};
handle({pyport_host, Command}, S) ->
    command(Command, S);
handle({Port, {exit_status, Status}}, #mux{port = Port} = S) ->
    gone({exit_status, Status}, S);
handle({'EXIT', Port, _}, #mux{port = Port} = S) ->
    gone(link_closed, S);
handle({'EXIT', Host, Reason}, #mux{host = Host} = S) ->
    terminate(Reason, S);
handle({system, From, Request}, #mux{host = Host} = S) ->
    sys:handle_system_msg(Request, From, Host, ?MODULE, [], S);
handle(_, S) ->
    S. %% what is left of a port that was closed, and strangers' messages

%% requests

-spec request(pyport_held:request(), #mux{}) -> #mux{}.
request({request, Caller, Ref, _, _, _, _, _, Term} = Request, S0) ->
    case refusal(byte_size(Term), S0) of
        none ->
            S = fresh(S0),
            send(Request, S#mux.now_ms, S);
        Reason ->
            Caller ! {Ref, error, Reason},
            S0
    end.

-spec refusal(non_neg_integer(), #mux{}) -> none | term().
refusal(Bytes, #mux{pending = Pending, pending_bytes = PendingBytes,
                    held = Held, limits = Limits}) ->
    Count = Pending + pyport_held:count(Held),
    Waiting = PendingBytes + pyport_held:bytes(Held),
    pyport_inflight:refusal(Bytes, {Count, Waiting}, Limits).

-spec send(pyport_held:request(), integer(), #mux{}) -> #mux{}.
send({request, Caller, Ref, Op, Context, Env, Flags, Timeout, Term}, NowMs,
     #mux{next_id = Id} = S) ->
    Bytes = byte_size(Term),
    EnvNumber = pyport_callers:note(Caller, Id, Env, Context),
    Message = pyport_wire:entry(pyport_wire:op_byte(Op), Id, Flags, Context,
                                EnvNumber, pyport_inflight:timeout_ms(Timeout),
                                Term, Bytes),
    Entry = {Caller, Ref, Bytes, pyport_inflight:deadline(Timeout, NowMs)},
    pend_message(Entry, Message, Bytes + ?RUN_ENTRY_BYTES, S).

%% The clock is read once for each packet.
-spec fresh(#mux{}) -> #mux{}.
fresh(#mux{out = Out} = S) ->
    case pyport_packet:fullness(Out) of
        empty -> S#mux{now_ms = now_ms()};
        _ -> S
    end.

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).

-spec pend(pyport_inflight:entry(), pyport_wire:op(), binary(), #mux{}) ->
          #mux{}.
pend(Entry, Op, Term, #mux{next_id = Id} = S) ->
    pend_message(Entry, pyport_wire:control(Op, Id, Term),
                 byte_size(Term) + ?CONTROL_ENTRY_BYTES, S).

%% Puts a message that will be answered into the packet.
-spec pend_message(pyport_inflight:entry(), iodata(), pos_integer(), #mux{}) ->
          #mux{}.
pend_message(Entry, Message, MessageBytes, S0) ->
    #mux{next_id = Id, pending = Pending, pending_bytes = Sum, watch = Watch} =
        S = push(Message, MessageBytes, S0),
    ok = pyport_inflight:add(Id, Entry),
    S#mux{next_id = Id + 1, pending = Pending + 1,
          pending_bytes = Sum + pyport_inflight:bytes(Entry),
          watch = pyport_watch:arm(Watch)}.

-spec push(iodata(), pos_integer(), #mux{}) -> #mux{}.
push(Message, Bytes, #mux{out = Out} = S) ->
    case pyport_packet:fits(Bytes, Out) of
        true -> S#mux{out = pyport_packet:add(Message, Bytes, Out)};
        false -> push(Message, Bytes, flush(S))
    end.

-spec flush(#mux{}) -> #mux{}.
flush(#mux{out = Out, port = Port} = S) ->
    {Packet, Empty} = pyport_packet:take(Out),
    try port_command(Port, Packet) of
        true -> ok
    catch
        %% Closed: its last message is in the mailbox and answers everybody.
        error:badarg -> ok
    end,
    S#mux{out = Empty}.

%% A control message waits at most as long as its caller: there is no
%% deadline to keep here.
-spec control(reference(), pyport_link:control(), binary(), #mux{}) -> #mux{}.
control(Ref, Op, Term, #mux{phase = Phase} = S)
  when Phase =:= up; Phase =:= opening ->
    pend({Ref, Ref, byte_size(Term), infinity}, Op, Term, S);
control(Ref, _, _, #mux{refuse = Death} = S) ->
    Ref ! {Ref, error, case Death of
                           none -> host_starting;
                           _ -> {context_died, Death}
                       end},
    S.

%% answers

-spec packet(binary(), #mux{}) -> #mux{}.
packet(<<16#7F, Rest/binary>>, S) when Rest =/= <<>> ->
    messages(Rest, 0, 0, S);
packet(<<Kind, Id:64, Term/binary>>, S) when Kind >= 16#80, Kind =< 16#82 ->
    case pyport_inflight:take(Id) of
        undefined -> S;
        Entry -> taken(1, pyport_inflight:bytes(Entry),
                       answer(Entry, Kind, Term, S))
    end;
packet(Message, S) ->
    event(Message, S).

%% Counts what it takes out of flight, and notes it once at the end.
-spec messages(binary(), non_neg_integer(), non_neg_integer(), #mux{}) ->
          #mux{}.
messages(<<Size:32, Kind, Id:64, Term:(Size - 9)/binary, Rest/binary>>,
         Count, Bytes, S) when Kind >= 16#80, Kind =< 16#82 ->
    case pyport_inflight:take(Id) of
        {Dest, Ref, EntryBytes, _} ->
            Dest ! {Ref, Kind, Term},
            messages(Rest, Count + 1, Bytes + EntryBytes, S);
        undefined ->
            messages(Rest, Count, Bytes, S);
        Entry ->
            messages(Rest, Count + 1, Bytes, answer(Entry, Kind, Term, S))
    end;
messages(<<Size:32, Message:Size/binary, Rest/binary>>, Count, Bytes, S0) ->
    case event(Message, S0) of
        #mux{port = none} = S -> taken(Count, Bytes, S);
        S -> messages(Rest, Count, Bytes, S)
    end;
messages(<<>>, Count, Bytes, S) ->
    taken(Count, Bytes, S);
messages(Torn, Count, Bytes, S) ->
    broken(Torn, taken(Count, Bytes, S)).

-spec taken(non_neg_integer(), non_neg_integer(), #mux{}) -> #mux{}.
taken(Count, Bytes, #mux{pending = Pending, pending_bytes = Sum} = S) ->
    S#mux{pending = Pending - Count, pending_bytes = Sum - Bytes}.

-spec answer(pyport_inflight:entry(), byte(), binary(), #mux{}) -> #mux{}.
answer({Dest, Ref, _, _}, Kind, Term, S) ->
    Dest ! {Ref, Kind, Term},
    S;
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
    ok = pyport_program:log_broken(Read, OsPid),
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
cancel(Id, S) ->
    case pyport_inflight:take(Id) of
        {_, _, Bytes, _} ->
            push(pyport_wire:control(cancel, Id, <<>>), ?CONTROL_ENTRY_BYTES,
                 taken(1, Bytes, S));
        _ ->
            S
    end.

-spec hold(pyport_held:request(), #mux{}) -> #mux{}.
hold({request, Caller, Ref, _, _, _, _, _, Term} = Request,
     #mux{refuse = Refuse, held = Held} = S) ->
    case Refuse =:= none andalso refusal(byte_size(Term), S) of
        none -> S#mux{held = pyport_held:add(Request, now_ms(), Held)};
        false -> Caller ! {Ref, error, {context_died, Refuse}}, S;
        Reason -> Caller ! {Ref, error, Reason}, S
    end.

%% the host's commands

-spec command(pyport_link:command(), #mux{}) -> #mux{}.
command({start, Spec}, #mux{phase = down} = S0) ->
    case pyport_program:open(Spec) of
        {ok, Port, OsPid} ->
            S = S0#mux{port = Port, os_pid = OsPid, phase = hello,
                       refuse = none, announced = none,
                       watch = pyport_watch:restart(S0#mux.watch)},
            tell({started, OsPid},
                 flush(pend(hello, hello, pyport_program:hello(), S)));
        {error, Reason} ->
            tell({gone, {not_started, Reason}, none}, S0)
    end;
command(release, #mux{phase = opening, held = Held} = S) ->
    NowMs = now_ms(),
    lists:foldl(fun(Request, Acc) -> send(Request, NowMs, Acc) end,
                S#mux{phase = up, held = pyport_held:new()},
                pyport_held:release(NowMs, Held));
command(kill, #mux{port = Port} = S) when Port =/= none ->
    gone(silent, S);
command({down, Death, Mode}, #mux{phase = down, held = Held} = S0) ->
    ok = pyport_inflight:answer_all({context_died, Death}),
    S = S0#mux{pending = 0, pending_bytes = 0},
    case Mode of
        hold ->
            S;
        refuse ->
            ok = pyport_held:answer_all({context_died, Death}, Held),
            S#mux{refuse = Death, held = pyport_held:new()}
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
    tell({gone, Why, Announced},
         S#mux{port = none, phase = down,
               out = element(2, pyport_packet:take(S#mux.out))}).

-spec terminate(term(), #mux{}) -> no_return().
terminate(Reason, #mux{port = Port, os_pid = OsPid} = S) ->
    Told = pyport_death:told(Reason),
    ok = pyport_inflight:answer_all(Told),
    ok = pyport_held:answer_all(Told, S#mux.held),
    _ = [pyport_program:close(Port, OsPid) || Port =/= none],
    exit(Reason).

%% the backstop

-spec tick(#mux{}) -> #mux{}.
tick(#mux{pending = Pending, port = Port} = S)
  when Pending =:= 0; Port =:= none ->
    S;
tick(#mux{now_ms = NowMs} = S) ->
    listen(lists:foldl(fun late/2, S, pyport_inflight:late(NowMs))).

-spec late({pyport_inflight:id(), pyport_inflight:entry()}, #mux{}) -> #mux{}.
late({Id, Entry}, S) ->
    ok = pyport_inflight:answer(timeout, Entry),
    cancel(Id, S).

%% The host watches over a program that says no hello. What is in the mailbox
%% already counts as heard: the node may have been suspended itself.
-spec listen(#mux{}) -> #mux{}.
listen(#mux{phase = hello, watch = Watch} = S) ->
    S#mux{watch = pyport_watch:arm(Watch)};
listen(#mux{port = Port} = S0) ->
    {Verdict, Watch} = pyport_watch:verdict(S0#mux.now_ms, S0#mux.watch),
    S = S0#mux{watch = Watch},
    receive
        {Port, {data, Packet}} ->
            packet(Packet, S#mux{watch = pyport_watch:heard(Watch)})
    after 0 ->
        case Verdict of
            ping -> pend(ping, ping, <<>>, S);
            dead -> gone(silent, S);
            wait -> S
        end
    end.

%% sys

-spec system_continue(pid(), [term()], #mux{}) -> no_return().
system_continue(_, _, S) -> loop(S).

-spec system_terminate(term(), pid(), [term()], #mux{}) -> no_return().
system_terminate(Reason, _, _, S) -> terminate(Reason, S).

-spec system_code_change(#mux{}, module(), term(), term()) -> {ok, #mux{}}.
system_code_change(S, _, _, _) -> {ok, S}.
