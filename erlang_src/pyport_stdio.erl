%% @private
%% @doc What a host prints: raw standard streams of its program, and the
%% lines that Python code printed (they come over the link, with the number
%% of their context).
%%
%% For each start of the program it listens on a unix socket in a private
%% directory that is gone as soon as both streams are connected, and the bulk
%% lane, which it hands to the link. Lines pass
%% a rate limit and go to the sink of their stream; the last of stderr are
%% kept for the report of a crash. The sinks may be slow: a writer waits for
%% each, this process never does.
-module(pyport_stdio).
-behaviour(gen_server).

-export([start_link/1, listen/2, tail/2, stop/1, offer/4]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-export_type([options/0]).

-type options() :: #{host := pid(), backlog := atomics:atomics_ref(),
                     tmp_dir := file:filename_all(),
                     stdout := pyport_sink:sink(),
                     stderr := pyport_sink:sink(),
                     output_lines_per_s := pos_integer(),
                     atom() => term()}.
-type stream() :: stdout | stderr.

%% docs/protocol.md: a line of a thread that belongs to no context.
-define(NO_CONTEXT, 16#FFFFFFFF).
-define(LINE_BYTES_MAX, 8192).
-define(TAIL_BYTES_MAX, 65536).
-define(TAIL_LINES_MAX, 400).
-define(SOCKET_NAME, "stdio").
-define(PACKETS_ACTIVE, 16).
-define(DROPPED_REPORT_MS, 1000).
-define(CONNECT_TIMEOUT_MS, 30000).
-define(QUIET_MS, 50).
-define(STOP_TIMEOUT_MS, 1000).
-define(LISTEN_TIMEOUT_MS, 2000).

-record(state, {
    options :: options(),
    writers :: #{stream() => pyport_writer:writer()},
    dir = none :: none | file:filename_all(),
    listener = none :: none | inet:socket(),
    acceptor = none :: none | pid(),
    %% who gets the bulk lane, if there is to be one
    lane = none :: none | pyport_bulk:door(),
    sockets = #{} :: #{inet:socket() => {stream(), pyport_lines:lines()}},
    limiters :: #{stream() => pyport_limiter:limiter()},
    reporting = false :: boolean(),
    tail = queue:new() :: queue:queue(binary()),
    tail_lines = 0 :: non_neg_integer(),
    tail_bytes = 0 :: non_neg_integer(),
    waiting = none :: none | {pid(), reference()},
    quiet = none :: none | reference()
}).

-spec start_link(options()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    case gen_server:start_link(?MODULE, Options, []) of
        {ok, Pid} -> {ok, Pid};
        {error, Reason} -> {error, Reason}
    end.

%% @doc Prepares for one start of the program: the path for `--stdio', and
%% for `--bulk' if somebody is to get `{bulk_lane, {Path, Socket}}'.
-spec listen(pid(), none | pid()) ->
          {ok, file:filename_all()} | {error, term()}.
listen(Stdio, Lane) ->
    try
        gen_server:call(Stdio, {listen, Lane}, ?LISTEN_TIMEOUT_MS)
    catch
        exit:{timeout, _} -> {error, {stdio_timeout, ?LISTEN_TIMEOUT_MS}}
    end.

%% @doc Asks for the last of stderr once the program is gone. The answer is
%% the message `{Tag, Tail :: binary()}': at end of file, or when nothing
%% came for a moment, because an orphan may hold the stream open.
-spec tail(pid(), reference()) -> ok.
tail(Stdio, Tag) ->
    gen_server:cast(Stdio, {tail, self(), Tag}).

%% @doc Ends the process and removes its directory, before it returns.
-spec stop(pid()) -> ok.
stop(Stdio) ->
    try
        gen_server:stop(Stdio, shutdown, ?STOP_TIMEOUT_MS)
    catch
        exit:_ -> ok
    end.

%% @doc A line of output from the link, which never waits: beyond `Max'
%% lines that were not taken yet it is counted and dropped.
-spec offer(pid(), atomics:atomics_ref(),
            {non_neg_integer(), byte(), binary()}, pos_integer()) -> ok.
offer(Stdio, Backlog, Output, Max) ->
    case atomics:add_get(Backlog, 1, 1) > Max of
        false ->
            Stdio ! {output, Output},
            ok;
        true ->
            ok = atomics:sub(Backlog, 1, 1),
            atomics:add(Backlog, 2, 1)
    end.

-spec init(options()) -> {ok, #state{}}.
init(#{output_lines_per_s := PerSecond} = Options) ->
    _ = process_flag(trap_exit, true),
    Limiter = pyport_limiter:new(PerSecond, now_ms()),
    {ok, Out} = pyport_writer:start_link(maps:get(stdout, Options)),
    {ok, Err} = pyport_writer:start_link(maps:get(stderr, Options)),
    {ok, #state{options = Options, writers = #{stdout => Out, stderr => Err},
                limiters = #{stdout => Limiter, stderr => Limiter}}}.

-spec handle_call({listen, none | pid()}, gen_server:from(), #state{}) ->
          {reply, {ok, file:filename_all()} | {error, term()}, #state{}}.
handle_call({listen, Lane}, _From, State0) ->
    State = (forget(State0))#state{tail = queue:new(), tail_lines = 0,
                                   tail_bytes = 0},
    case pyport_tmp:create(maps:get(tmp_dir, State#state.options)) of
        {ok, Dir} -> listen_in(Dir, Lane, State);
        {error, _} = Error -> {reply, Error, State}
    end.

-spec listen_in(file:filename_all(), none | pid(), #state{}) ->
          {reply, {ok, file:filename_all()} | {error, term()}, #state{}}.
listen_in(Dir, Lane, State) ->
    Path = filename:join(Dir, ?SOCKET_NAME),
    case gen_tcp:listen(0, [{ifaddr, {local, Path}}, binary,
                            {active, false}, {packet, raw},
                            {buffer, 65536}]) of
        {ok, Listener} ->
            Server = self(),
            Count = case Lane of none -> 2; _ -> 3 end,
            Acceptor = spawn_link(fun() -> accept(Listener, Server, Count) end),
            {reply, {ok, Path}, State#state{dir = Dir, listener = Listener,
                                            lane = pyport_bulk:door(Lane, Path),
                                            acceptor = Acceptor}};
        {error, Posix} ->
            ok = pyport_tmp:remove({Dir, [?SOCKET_NAME]}),
            {reply, {error, {tmp_dir, Dir, Posix}}, State}
    end.

%% Ends with the last socket, with its listener or with the time.
-spec accept(inet:socket(), pid(), 0..3) -> ok.
accept(_, Server, 0) ->
    Server ! {connected, self()},
    ok;
accept(Listener, Server, Left) ->
    case gen_tcp:accept(Listener, ?CONNECT_TIMEOUT_MS) of
        {ok, Socket} ->
            ok = named(gen_tcp:recv(Socket, 1, ?CONNECT_TIMEOUT_MS), Socket,
                       Server),
            accept(Listener, Server, Left - 1);
        {error, _} ->
            Server ! {connected, self()},
            ok
    end.

%% A socket says with its first byte what it is. No more than that is taken
%% here: on the bulk lane the first answer may be right behind it.
-spec named({ok, <<_:8>>} | {error, atom()}, inet:socket(), pid()) -> ok.
named({ok, <<Name>>}, Socket, Server) ->
    ok = gen_tcp:controlling_process(Socket, Server),
    Server ! {accepted, Name, Socket},
    ok;
named({error, _}, Socket, _) ->
    gen_tcp:close(Socket).

-spec handle_cast({tail, pid(), reference()}, #state{}) -> {noreply, #state{}}.
handle_cast({tail, From, Tag}, State) ->
    {noreply, told(quiet(State#state{waiting = {From, Tag}}))}.

-spec handle_info(term(), #state{}) ->
          {noreply, #state{}} | {stop, term(), #state{}}.
handle_info({tcp, Socket, Bytes}, State) ->
    {noreply, quiet(received(Socket, Bytes, State))};
handle_info({tcp_passive, Socket}, State) ->
    _ = inet:setopts(Socket, [{active, ?PACKETS_ACTIVE}]),
    {noreply, State};
handle_info({output, {Context, Stream, Text}}, State) ->
    {noreply, output(Context, Stream, Text, State)};
handle_info({accepted, Name, Socket}, State) ->
    {noreply, accepted(Name, Socket, State)};
handle_info({connected, Acceptor}, #state{acceptor = Acceptor} = State) ->
    {noreply, told(unlisten(State))};
handle_info({tcp_closed, Socket}, State) ->
    {noreply, told(ended(Socket, State))};
handle_info({tcp_error, Socket, _}, State) ->
    {noreply, told(ended(Socket, State))};
handle_info({timeout, Timer, quiet}, #state{quiet = Timer} = State) ->
    {noreply, told(forget(State))};
handle_info(report, State) ->
    {noreply, report(State#state{reporting = false})};
handle_info({'EXIT', Pid, Reason}, State)
  when is_pid(Pid), Reason =/= normal ->
    {stop, Reason, State}; %% a writer or an acceptor: a defect of ours
handle_info(_, State) ->
    {noreply, State}.

-spec terminate(term(), #state{}) -> ok.
terminate(_, State) ->
    #state{writers = #{stdout := Out, stderr := Err}} = forget(State),
    ok = pyport_writer:stop(Out),
    pyport_writer:stop(Err).

%% streams

-spec accepted(byte(), inet:socket(), #state{}) -> #state{}.
accepted(1, Socket, State) ->
    stream(stdout, Socket, State);
accepted(2, Socket, State) ->
    stream(stderr, Socket, State);
accepted(3, Socket, #state{lane = Door} = State) ->
    ok = pyport_bulk:hand_over(Socket, Door),
    State;
accepted(_, Socket, State) ->
    ok = gen_tcp:close(Socket),
    State.

-spec stream(stream(), inet:socket(), #state{}) -> #state{}.
stream(Stream, Socket, #state{sockets = Sockets} = State) ->
    _ = inet:setopts(Socket, [{active, ?PACKETS_ACTIVE}]),
    Lines = pyport_lines:new(?LINE_BYTES_MAX),
    State#state{sockets = Sockets#{Socket => {Stream, Lines}}}.

-spec received(inet:socket(), binary(), #state{}) -> #state{}.
received(Socket, Bytes, #state{sockets = Sockets} = State) ->
    case Sockets of
        #{Socket := {Stream, Lines}} ->
            fed(Socket, Stream, pyport_lines:feed(Bytes, Lines), State);
        #{} ->
            State
    end.

-spec fed(inet:socket(), stream(), {[binary()], pyport_lines:lines()},
          #state{}) -> #state{}.
fed(Socket, Stream, {Complete, Lines}, #state{sockets = Sockets} = State) ->
    emit(undefined, Stream, Complete,
         State#state{sockets = Sockets#{Socket := {Stream, Lines}}}).

-spec ended(inet:socket(), #state{}) -> #state{}.
ended(Socket, #state{sockets = Sockets} = State) ->
    ok = gen_tcp:close(Socket),
    case maps:take(Socket, Sockets) of
        {{Stream, Lines}, Left} ->
            emit(undefined, Stream, pyport_lines:rest(Lines),
                 State#state{sockets = Left});
        error ->
            State
    end.

%% Both streams have ended, or nobody waits for more.
-spec told(#state{}) -> #state{}.
told(#state{waiting = {From, Tag}, acceptor = none, sockets = Sockets} = State)
  when map_size(Sockets) =:= 0 ->
    From ! {Tag, text(State)},
    stop_quiet(State#state{waiting = none});
told(State) ->
    State.

-spec text(#state{}) -> binary().
text(#state{tail = Tail}) ->
    Lines = queue:to_list(Tail),
    pyport_lines:valid(iolist_to_binary(lists:join($\n, Lines))).

%% Starts the wait for silence anew.
-spec quiet(#state{}) -> #state{}.
quiet(#state{waiting = none} = State) ->
    State;
quiet(State) ->
    Timer = erlang:start_timer(?QUIET_MS, self(), quiet),
    (stop_quiet(State))#state{quiet = Timer}.

-spec stop_quiet(#state{}) -> #state{}.
stop_quiet(#state{quiet = none} = State) ->
    State;
stop_quiet(#state{quiet = Timer} = State) ->
    _ = erlang:cancel_timer(Timer),
    State#state{quiet = none}.

%% Closes whatever is open and leaves nothing in the file system.
-spec forget(#state{}) -> #state{}.
forget(#state{sockets = Sockets} = State) ->
    lists:foldl(fun ended/2, unlisten(State), maps:keys(Sockets)).

-spec unlisten(#state{}) -> #state{}.
unlisten(#state{dir = none} = State) ->
    State;
unlisten(#state{dir = Dir, listener = Listener} = State) ->
    ok = gen_tcp:close(Listener),
    ok = pyport_tmp:remove({Dir, [?SOCKET_NAME]}),
    State#state{dir = none, listener = none, acceptor = none}.

%% lines

-spec output(non_neg_integer(), byte(), binary(), #state{}) -> #state{}.
output(Context, Stream, Text, #state{options = Options} = State) ->
    #{backlog := Backlog} = Options,
    ok = atomics:sub(Backlog, 1, 1),
    Name = case Stream of 2 -> stderr; _ -> stdout end,
    case atomics:get(Backlog, 2) of
        0 ->
            ok;
        _ ->
            Lost = atomics:exchange(Backlog, 2, 0),
            lost(Name, Lost, State)
    end,
    emit(Context, Name, [Text], State).

-spec emit(non_neg_integer() | undefined, stream(), [binary()], #state{}) ->
          #state{}.
emit(_, _, [], State) ->
    State;
emit(Context, Stream, Lines, #state{limiters = Limiters} = State0) ->
    #{Stream := Limiter0} = Limiters,
    {Passed, Dropped, Limiter} =
        pyport_limiter:take(length(Lines), now_ms(), Limiter0),
    State = remember(Stream, Lines, State0),
    ok = lost(Stream, Dropped, State),
    Texts = [pyport_lines:valid(Line) || Line <- lists:sublist(Lines, Passed)],
    ok = write(tag(Context, Stream, State), Texts, State),
    report_later(Limiter, State#state{limiters = Limiters#{Stream := Limiter}}).

-spec write(pyport_sink:tag(), [binary()], #state{}) -> ok.
write(#{stream := Stream} = Tag, Lines, #state{writers = Writers}) ->
    pyport_writer:write(Tag, Lines, maps:get(Stream, Writers)).

-spec tag(non_neg_integer() | undefined, stream(), #state{}) ->
          pyport_sink:tag().
tag(?NO_CONTEXT, Stream, State) ->
    tag(undefined, Stream, State);
tag(Context, Stream, #state{options = #{host := Host}}) ->
    #{host => Host, context => Context, stream => Stream}.

%% The report of a crash is made of the end of stderr, whatever the limits.
-spec remember(stream(), [binary()], #state{}) -> #state{}.
remember(stdout, _, State) ->
    State;
remember(stderr, Lines, State) ->
    lists:foldl(fun remember_line/2, State, Lines).

-spec remember_line(binary(), #state{}) -> #state{}.
remember_line(Line, #state{tail = Tail, tail_lines = Count,
                           tail_bytes = Bytes} = State) ->
    forget_old(State#state{tail = queue:in(binary:copy(Line), Tail),
                           tail_lines = Count + 1,
                           tail_bytes = Bytes + byte_size(Line)}).

-spec forget_old(#state{}) -> #state{}.
forget_old(#state{tail = Tail, tail_lines = Count, tail_bytes = Bytes} = State)
  when Count > ?TAIL_LINES_MAX; Bytes > ?TAIL_BYTES_MAX ->
    {{value, Line}, Left} = queue:out(Tail),
    forget_old(State#state{tail = Left, tail_lines = Count - 1,
                           tail_bytes = Bytes - byte_size(Line)});
forget_old(State) ->
    State.

%% Lines that were dropped are counted, and reported once some may pass.
-spec report_later(pyport_limiter:limiter(), #state{}) -> #state{}.
report_later(Limiter, #state{reporting = false} = State) ->
    case pyport_limiter:dropped(Limiter) of
        0 ->
            State;
        _ ->
            _ = erlang:send_after(?DROPPED_REPORT_MS, self(), report),
            State#state{reporting = true}
    end;
report_later(_, State) ->
    State.

-spec report(#state{}) -> #state{}.
report(#state{limiters = Limiters} = State) ->
    maps:fold(fun report/3, State, Limiters).

-spec report(stream(), pyport_limiter:limiter(), #state{}) -> #state{}.
report(Stream, Limiter0, #state{limiters = Limiters} = State) ->
    case pyport_limiter:dropped(Limiter0) of
        0 ->
            State;
        _ ->
            {Dropped, Limiter} = pyport_limiter:report(now_ms(), Limiter0),
            ok = lost(Stream, Dropped, State),
            report_later(Limiter,
                         State#state{limiters = Limiters#{Stream := Limiter}})
    end.

-spec lost(stream(), non_neg_integer(), #state{}) -> ok.
lost(_, 0, _) ->
    ok;
lost(Stream, Count, #state{options = #{output_lines_per_s := Rate}} = State) ->
    Why = ["output_lines_per_s is ", integer_to_list(Rate)],
    write(tag(undefined, Stream, State), [pyport_sink:dropped(Count, Why)],
          State).

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).
