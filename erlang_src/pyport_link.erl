%% @private
%% @doc The data plane of a host as others see it.
%%
%% A link is a process ({@link pyport_mux}) that lives as long as the host's
%% slot, not as long as one operating-system process. Callers send it their
%% requests directly, from any node. Every request is answered: by the
%% program, by its deadline, or with the death of the program.
-module(pyport_link).

%% callers
-export([request/7, control/4, sync_lane/1, link_down/1]).
%% pyport_host
-export([start_link/1, stop/2, command/2, step/3, close/2, result/2]).
%% limits
-export([set_limits/2, frame_bytes_max/0]).

-export_type([options/0, answer/0, command/0, event/0, op/0, control/0]).

-define(OK, 16#80).
-define(EXCEPTION, 16#81).
-define(ERROR, 16#82).
-define(LIMITS, {?MODULE, limits}).
-define(LIMITS_DEFAULT, {64 bsl 20, infinity}).
%% A run message in a batch of one: 1 + 4 + 26 bytes before the term.
-define(RUN_HEADER_BYTES, 31).
-define(STOP_TIMEOUT_MS, 1000).

%% `backlog' counts in its first cell the lines of output that `stdio' has
%% not taken yet and in its second those that were dropped.
-type options() :: #{stdio := pid(), backlog := atomics:atomics_ref(),
                     queue_max := pos_integer(),
                     queue_bytes_max := pos_integer(),
                     frame_bytes_max := pos_integer(),
                     silence := pos_integer(),
                     ping_timeout := pos_integer(),
                     buffers_max := pos_integer(),
                     channels_max := pos_integer(), atom() => term()}.
-type answer() :: {ok, binary()} | {exception, binary()} | {error, term()}.
-type op() :: call | eval | exec.
-type control() :: ping | info | interrupt | context_open | context_close
                 | buffer_info | channel_info.
-type command() :: {start, pyport_program:spec()}
                 | release
                 | kill
                 | {closed, Context :: non_neg_integer()}
                 | {down, pyport_death:death(), hold | refuse}.
%% What the host gets, as {pyport_link, Link, event()}.
-type event() :: {started, non_neg_integer() | undefined}
               | {hello, map()}
               | {gone, pyport_death:end_of_link() | {refused, term()}
                      | {not_started, term()}, Announced :: atom()}.

%% @doc Runs code in a context and waits for the answer, which the caller
%% decodes. There is no timer here: the program enforces the deadline, and
%% the link answers where the program does not.
-spec request(pid(), op(), non_neg_integer(), pyport_callers:env(), byte(),
              timeout(), binary()) -> answer().
request(Link, Op, Context, Env, Flags, Timeout, Payload) ->
    {FrameMax, BulkMin} = persistent_term:get(?LIMITS, ?LIMITS_DEFAULT),
    case byte_size(Payload) of
        Bytes when Bytes > FrameMax - ?RUN_HEADER_BYTES ->
            {error, {too_large, Bytes, FrameMax - ?RUN_HEADER_BYTES}};
        Bytes ->
            Ref = monitor(process, Link),
            Request = {request, self(), Ref, Op, Context, Env, Flags, Timeout,
                       Payload},
            case pyport_lane:route(Link, Bytes >= BulkMin) of
                lane ->
                    Link ! setelement(9, Request, {bulk, Bytes}),
                    await_lane(Link, Ref, Request);
                Route ->
                    Link ! Request,
                    await(Link, Ref, Route)
            end
    end.

-spec await(pid(), reference(), clean | link) -> answer().
await(Link, Ref, Route) ->
    receive
        {Ref, error, Reason} ->
            true = demonitor(Ref, [flush]),
            {error, Reason};
        {Ref, Kind, Answer} ->
            true = demonitor(Ref, [flush]),
            _ = [pyport_lane:answered(Link) || Route =/= clean],
            answer(Kind, Answer);
        {'DOWN', Ref, process, _, Reason} ->
            {error, link_down(Reason)}
    end.

%% The link admits the request and says where it goes.
-spec await_lane(pid(), reference(), pyport_held:request()) -> answer().
await_lane(Link, Ref, Request) ->
    receive
        {Ref, bulk, none} ->
            Link ! Request,
            await(Link, Ref, link);
        {Ref, bulk, Socket, Header} ->
            %% An error means that the program is gone: the link answers.
            _ = gen_tcp:send(Socket, [Header, element(9, Request)]),
            await(Link, Ref, link);
        {Ref, error, Reason} ->
            true = demonitor(Ref, [flush]),
            {error, Reason};
        {'DOWN', Ref, process, _, Reason} ->
            {error, link_down(Reason)}
    end.

%% @doc Waits until the program has read what the calling process sent on
%% the bulk lane.
-spec sync_lane(pid()) -> ok | {error, term()}.
sync_lane(Link) ->
    Ref = monitor(process, Link),
    Link ! {sync_lane, self(), Ref},
    Synced = receive
                 {Ref, bulk, none} ->
                     true = demonitor(Ref, [flush]),
                     {error, {context_died, noproc}};
                 {Ref, bulk, Socket, Ping} ->
                     _ = gen_tcp:send(Socket, Ping),
                     await(Link, Ref, link);
                 {'DOWN', Ref, process, _, Reason} ->
                     {error, link_down(Reason)}
             end,
    case Synced of
        {ok, _} -> ok;
        {error, _} = Error -> Error
    end.

%% @doc Sends a control message; waits for the answer `Timeout' at most.
-spec control(pid(), control(), term(), timeout()) ->
          {ok, term()} | {error, term()}.
control(Link, Op, Term, Timeout) ->
    Ref = monitor(process, Link, [{alias, reply_demonitor}]),
    Link ! {control, Ref, Op, control_term(Op, Term)},
    receive
        {Ref, ?OK, Answer} -> pyport_term:decode(Answer);
        {Ref, Kind, Answer} -> answer(Kind, Answer);
        {'DOWN', Ref, process, _, Reason} -> {error, link_down(Reason)}
    after Timeout ->
        true = demonitor(Ref, [flush]),
        receive {Ref, _, _} -> ok after 0 -> ok end,
        {error, timeout}
    end.

-spec control_term(control(), term()) -> binary().
control_term(Op, _) when Op =:= ping; Op =:= info -> <<>>;
control_term(_, Term) -> term_to_binary(Term).

-spec answer(16#80..16#82 | error, term()) -> answer().
answer(?OK, Term) -> {ok, Term};
answer(?EXCEPTION, Term) -> {exception, Term};
answer(?ERROR, Term) ->
    case pyport_term:decode(Term) of
        {ok, Reason} -> {error, Reason};
        {error, Reason} -> {error, {bad_answer, Reason}}
    end;
answer(error, Reason) -> {error, Reason}.

%% @doc The exit reason of a link says why the slot ended.
-spec link_down(term()) -> context_destroyed | {context_died, term()}.
link_down({shutdown, {context_died, _} = Died}) -> Died;
link_down(noproc) -> {context_died, noproc};
link_down(noconnection) -> {context_died, noconnection};
link_down(normal) -> context_destroyed;
link_down(shutdown) -> context_destroyed;
link_down({shutdown, _}) -> context_destroyed;
link_down(_) ->
    {context_died, pyport_death:make(link_closed, none, <<>>, undefined)}.

%% @doc Starts the link of a slot; the calling process is its host and gets
%% `{pyport_link, Link, event()}'.
-spec start_link(options()) -> {ok, pid()}.
start_link(Options) ->
    pyport_mux:start_link(Options).

%% @doc Ends the link and waits until everybody is answered. The reason says
%% what they are answered.
-spec stop(pid(), term()) -> ok.
stop(Link, Reason) ->
    Monitor = monitor(process, Link),
    true = exit(Link, Reason),
    receive
        {'DOWN', Monitor, process, Link, _} -> ok
    after ?STOP_TIMEOUT_MS ->
        true = exit(Link, kill),
        ok
    end.

-spec command(pid(), command()) -> ok.
command(Link, Command) ->
    Link ! {pyport_host, Command},
    ok.

%% @doc Sends a control message; the answer comes as `{Ref, Kind, Answer}',
%% see {@link result/2}.
-spec control_async(pid(), control(), term()) -> reference().
control_async(Link, Op, Term) ->
    Ref = alias([reply]),
    Link ! {control, Ref, Op, control_term(Op, Term)},
    Ref.

%% @doc One step of the opening of a context, also while requests are held.
%% The answer comes as `{Ref, Kind, Answer}' to the calling process. Setup
%% code runs in the context's own namespace.
-spec step(pid(), pyport_slots:step(), timeout()) -> reference().
step(Link, {context_open, Number, Options}, _Timeout) ->
    control_async(Link, context_open, {Number, Options});
step(Link, {exec, Number, Code}, Timeout) ->
    Ref = make_ref(),
    Link ! {setup, {request, self(), Ref, exec, Number, none, 0, Timeout,
                    term_to_binary(Code)}},
    Ref.

%% @doc Closes a context; its environments go with it.
-spec close(pid(), non_neg_integer()) -> ok.
close(Link, Context) ->
    _ = control_async(Link, context_close, Context),
    command(Link, {closed, Context}).

%% @doc Reads an answer that came as a message.
-spec result(16#80..16#82 | error, term()) -> {ok, term()} | {error, term()}.
result(Kind, Answer) ->
    case answer(Kind, Answer) of
        {ok, Term} ->
            pyport_term:decode(Term);
        {exception, Term} ->
            {error, Reason, _} = pyport_term:exception_to_error(Term),
            {error, Reason};
        {error, _} = Error ->
            Error
    end.

%% @doc Sets what callers on this node look at before they send: the
%% largest packet, and from how many bytes on a request takes the bulk lane.
-spec set_limits(pos_integer(), pos_integer() | infinity) -> ok.
set_limits(FrameBytesMax, BulkThreshold) ->
    persistent_term:put(?LIMITS, {FrameBytesMax, BulkThreshold}).

-spec frame_bytes_max() -> pos_integer().
frame_bytes_max() ->
    element(1, persistent_term:get(?LIMITS, ?LIMITS_DEFAULT)).
