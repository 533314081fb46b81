%% @doc Contexts: Python namespaces with a thread of their own.
%%
%% == What a context is ==
%% A context runs one request at a time, always on the same thread. Its mode
%% says where:
%% <ul>
%% <li>`worker': a thread in the shared operating-system process. Cheap, and
%% all workers share one GIL.</li>
%% <li>`isolated' (or `owngil', the same): an operating-system process of its
%% own. Parallel to everything else, with limits of its own, and a timeout
%% interrupts even a blocking system call, or kills it.</li>
%% </ul>
%%
%% ```
%% {ok, Ctx} = py_context:new(#{mode => isolated, memory_limit => 1 bsl 29}),
%% ok = py_context:exec(Ctx, <<"def double(x): return 2 * x">>),
%% {ok, 42} = py_context:call(Ctx, '__main__', double, [21]),
%% ok = py_context:stop(Ctx).
%% '''
%%
%% == Ownership ==
%% A context is an Erlang process linked to its creator, and calls do not pass
%% through it: they go straight to the link of the host. When the creator ends,
%% for whatever reason, the context is closed. When the operating-system
%% process dies, all calls in flight get `{error, {context_died, Death}}' and
%% then the context exits with `{context_died, Death}', which a linked owner
%% sees. (The contexts of a pool are kept instead, see
%% {@link py_context_router}.)
%%
%% == Namespaces ==
%% The functions here run in the namespace of the context, which everyone who
%% uses these functions shares. Those of {@link py} run `eval' and `exec' in
%% an environment of the calling process. An environment can be passed here as
%% the last argument, see {@link create_local_env/1}.
%%
%% == Other nodes ==
%% A context may live on another node: the caller asks that node once where it
%% is and then talks to the link there. A lost connection gives
%% `{error, {context_died, noconnection}}'.
-module(py_context).
-behaviour(gen_server).

-export([new/1, start_link/2, start_link/3, stop/1, destroy/1]).
-export([call/4, call/5, call/6, call/7]).
-export([eval/2, eval/3, eval/4, eval/5]).
-export([exec/2, exec/3]).
-export([call_method/4, to_term/1]).
-export([get_interp_id/1, is_subinterp/1, create_local_env/1, interrupt/1]).
%% For pyport_pool and py.
-export([start_for/2, own_env/1, host_info/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2]).
-export([handle_info/2, terminate/2]).

-export_type([context/0, context_mode/0, options/0, env/0, result/0]).

-type context() :: pid().
-type context_mode() :: pyport_context_options:mode().
-type options() :: pyport_context_options:options().
-type result() :: pyport_call:result().
-opaque env() :: {py_env, context(), own | pos_integer()}.
-type restart() :: permanent | temporary.

-record(state, {
    owner :: pid(),
    config :: pyport_context_options:config(),
    restart :: restart(),
    id :: pos_integer(),
    host :: pid() | undefined,
    number :: non_neg_integer() | undefined
}).

-define(STOP_MS, 5000).
-define(CALL_MS, 5000).
%% Numbers of environments made by create_local_env/1 start here: the link
%% numbers those of processes from 1.
-define(ENV_BASE, (1 bsl 62)).

%% @doc Creates a context, linked to the caller.
%%
%% A mistake in the options, code in `preload' that fails, or a program that
%% cannot be started is an error here, and nothing is left behind.
-spec new(options()) -> {ok, context()} | {error, term()}.
new(Options) ->
    case pyport_context_options:config(Options) of
        {ok, Config} -> started(start_for(Config, temporary));
        Error -> Error
    end.

%% @doc Like `new(#{mode => Mode})'. The first argument is a name for humans.
-spec start_link(term(), context_mode()) -> {ok, context()} | {error, term()}.
start_link(Id, Mode) ->
    start_link(Id, Mode, #{}).

%% @doc Like `new(Options#{mode => Mode})'.
-spec start_link(term(), context_mode(), options()) ->
    {ok, context()} | {error, term()}.
start_link(_Id, Mode, Options) when is_map(Options) ->
    new(Options#{mode => Mode});
start_link(_Id, _Mode, Options) ->
    new(Options).

%% @doc Closes a context. Does not wait for what runs there: its caller, and
%% those that queue, get `{error, context_destroyed}'.
-spec stop(context()) -> ok.
stop(Ctx) when is_pid(Ctx) ->
    try
        gen_server:stop(Ctx, normal, ?STOP_MS)
    catch
        exit:timeout ->
            true = exit(Ctx, kill),
            ok;
        exit:_ ->
            ok
    end.

%% @equiv stop(Ctx)
-spec destroy(context()) -> ok.
destroy(Ctx) ->
    stop(Ctx).

%% @equiv call(Ctx, Module, Function, Args, #{}, infinity)
-spec call(context(), py:py_module(), py:py_func(), [term()]) -> result().
call(Ctx, Module, Function, Args) ->
    call(Ctx, Module, Function, Args, #{}, infinity).

%% @equiv call(Ctx, Module, Function, Args, Kwargs, infinity)
-spec call(context(), py:py_module(), py:py_func(), [term()], map()) ->
    result().
call(Ctx, Module, Function, Args, Kwargs) ->
    call(Ctx, Module, Function, Args, Kwargs, infinity).

%% @doc Calls a function. Module `` '__main__' '' is the context's namespace.
-spec call(Ctx, Module, Function, Args, Kwargs, timeout()) -> result() when
    Ctx :: context(),
    Module :: py:py_module(),
    Function :: py:py_func(),
    Args :: [term()],
    Kwargs :: map().
call(Ctx, Module, Function, Args, Kwargs, Timeout) ->
    Opts = {Timeout, 0},
    pyport_call:call(Ctx, none, Module, Function, Args, Kwargs, Opts).

%% @doc The same, with module `` '__main__' '' being an environment.
-spec call(Ctx, Module, Function, Args, Kwargs, timeout(), env()) ->
    result()
when
    Ctx :: context(),
    Module :: py:py_module(),
    Function :: py:py_func(),
    Args :: [term()],
    Kwargs :: map().
call(Ctx, Module, Function, Args, Kwargs, Timeout, Env) ->
    Opts = {Timeout, 0},
    in_env(Ctx, Env, fun(Number) ->
        pyport_call:call(Ctx, Number, Module, Function, Args, Kwargs, Opts)
    end).

%% @equiv eval(Ctx, Code, #{}, infinity)
-spec eval(context(), pyport_args:code()) -> result().
eval(Ctx, Code) ->
    eval(Ctx, Code, #{}, infinity).

%% @equiv eval(Ctx, Code, Locals, infinity)
-spec eval(context(), pyport_args:code(), map()) -> result().
eval(Ctx, Code, Locals) ->
    eval(Ctx, Code, Locals, infinity).

%% @doc Evaluates an expression; `Locals' are visible to it and do not last.
-spec eval(context(), pyport_args:code(), map(), timeout()) -> result().
eval(Ctx, Code, Locals, Timeout) ->
    pyport_call:eval(Ctx, none, Code, Locals, Timeout, 0).

%% @doc The same in an environment.
-spec eval(context(), pyport_args:code(), map(), timeout(), env()) ->
    result().
eval(Ctx, Code, Locals, Timeout, Env) ->
    in_env(Ctx, Env, fun(Number) ->
        pyport_call:eval(Ctx, Number, Code, Locals, Timeout, 0)
    end).

%% @doc Executes statements.
-spec exec(context(), pyport_args:code()) ->
    ok | {error, pyport_call:reason()}.
exec(Ctx, Code) ->
    pyport_call:exec(Ctx, none, Code, infinity).

%% @doc Executes statements in an environment.
-spec exec(context(), pyport_args:code(), env()) ->
    ok | {error, pyport_call:reason()}.
exec(Ctx, Code, Env) ->
    in_env(Ctx, Env, fun(Number) ->
        pyport_call:exec(Ctx, Number, Code, infinity)
    end).

%% @doc Nothing produces references to Python objects, so every one is invalid.
-spec call_method(context(), term(), py:py_func(), [term()]) ->
    {error, invalid_ref}.
call_method(_Ctx, _Ref, _Method, _Args) ->
    {error, invalid_ref}.

%% @doc See {@link call_method/4}.
-spec to_term(term()) -> {error, invalid_ref}.
to_term(_Ref) ->
    {error, invalid_ref}.

%% @doc A number that no other context of this node has.
-spec get_interp_id(context()) -> {ok, pos_integer()} | {error, term()}.
get_interp_id(Ctx) ->
    ask(Ctx, id).

%% @doc Whether the context has an interpreter of its own.
-spec is_subinterp(context()) -> boolean() | {error, term()}.
is_subinterp(Ctx) ->
    ask(Ctx, is_isolated).

%% @doc Makes an environment: a namespace that starts as a copy of the
%% context's. It goes when the process that uses it first ends.
-spec create_local_env(context()) -> {ok, env()} | {error, term()}.
create_local_env(Ctx) ->
    case ask(Ctx, id) of
        {ok, _} ->
            Number = ?ENV_BASE + erlang:unique_integer([positive]),
            {ok, {py_env, Ctx, Number}};
        Error ->
            Error
    end.

%% @doc Interrupts what runs in the context; its caller gets
%% `{error, interrupted}'.
-spec interrupt(context()) -> ok | not_running | {error, term()}.
interrupt(Ctx) ->
    pyport_call:interrupt(Ctx).

%% @private
%% Starts a context linked to the caller and returns at once. The caller gets
%% {py_context, Pid, ready | {error, Reason}}; after an error it is not linked.
-spec start_for(pyport_context_options:config(), restart()) -> pid().
start_for(Config, Restart) ->
    {ok, Pid} = gen_server:start(?MODULE, {self(), Config, Restart}, []),
    Pid.

%% @private
%% The environment that the functions of py use: that of the calling process.
-spec own_env(context()) -> env().
own_env(Ctx) ->
    {py_env, Ctx, own}.

%% @private
-spec host_info(context()) -> {ok, map()} | {error, term()}.
host_info(Ctx) ->
    case ask(Ctx, host) of
        {ok, Host} -> info(pyport_host:info(Host));
        {error, _} = Error -> Error
    end.

-spec info(map() | {error, term()}) -> {ok, map()} | {error, term()}.
info({error, _} = Error) -> Error;
info(Info) -> {ok, Info}.

%% Behaviour gen_server: the owner's end, the host's news, nothing else.

%% @private
-spec init({pid(), pyport_context_options:config(), restart()}) ->
    {ok, #state{}, {continue, open}}.
init({Owner, Config, Restart}) ->
    _ = process_flag(trap_exit, true),
    true = link(Owner),
    State = #state{
        owner = Owner,
        config = Config,
        restart = Restart,
        id = erlang:unique_integer([positive])
    },
    {ok, State, {continue, open}}.

%% @private
-spec handle_continue(open, #state{}) ->
    {noreply, #state{}} | {stop, normal, #state{}}.
handle_continue(open, #state{owner = Owner} = State) ->
    case open(State) of
        {ok, Host, Link, Number} ->
            _ = monitor(process, Host),
            ok = pyport_contexts:add(Link, Number),
            Owner ! {py_context, self(), ready},
            {noreply, State#state{host = Host, number = Number}};
        {error, _} = Error ->
            true = unlink(Owner),
            Owner ! {py_context, self(), Error},
            {stop, normal, State}
    end.

%% @private
-spec handle_call(id | host | is_isolated, gen_server:from(), #state{}) ->
    {reply, {ok, pos_integer() | pid()} | boolean(), #state{}}.
handle_call(id, _From, #state{id = Id} = State) ->
    {reply, {ok, Id}, State};
handle_call(host, _From, #state{host = Host} = State) ->
    {reply, {ok, Host}, State};
handle_call(is_isolated, _From, #state{config = Config} = State) ->
    {reply, maps:get(kind, Config) =:= isolated, State}.

%% @private
-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

%% @private
-spec handle_info(term(), #state{}) ->
    {noreply, #state{}} | {stop, term(), #state{}}.
handle_info({'EXIT', Owner, _}, #state{owner = Owner} = State) ->
    {stop, normal, State};
handle_info({'EXIT', _, normal}, State) ->
    {noreply, State};
handle_info({'EXIT', _, Reason}, State) ->
    {stop, Reason, State};
handle_info(
    {pyport_host, Host, {down, Death}},
    #state{host = Host, restart = temporary} = State
) ->
    {stop, {context_died, Death}, State};
handle_info({'DOWN', _, process, Host, Reason}, #state{host = Host} = State) ->
    {stop, {context_died, Reason}, State#state{host = undefined}};
handle_info(_, State) ->
    {noreply, State}.

%% @private
-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{host = undefined}) ->
    ok;
terminate(_Reason, #state{host = Host, number = Number} = State) ->
    ok = pyport_contexts:remove(),
    close(maps:get(kind, State#state.config), Host, Number).

%% Internal.

-spec started(pid()) -> {ok, context()} | {error, term()}.
started(Pid) ->
    Monitor = monitor(process, Pid),
    receive
        {py_context, Pid, ready} ->
            true = demonitor(Monitor, [flush]),
            {ok, Pid};
        {py_context, Pid, {error, _} = Error} ->
            true = demonitor(Monitor, [flush]),
            Error;
        {'DOWN', Monitor, process, Pid, Reason} ->
            {error, {context_died, Reason}}
    end.

-spec open(#state{}) ->
    {ok, pid(), pid(), non_neg_integer()} | {error, term()}.
open(#state{config = #{context := Context0} = Config} = State) ->
    Context = Context0#{owner => self()},
    case host(Config, State#state.restart) of
        {ok, Host} ->
            case pyport_host:open_context(Host, Context) of
                {ok, Link, Number} ->
                    {ok, Host, Link, Number};
                {error, _} = Error ->
                    ok = discard(Config, Host),
                    Error
            end;
        {error, _} = Error ->
            Error
    end.

-spec host(pyport_context_options:config(), restart()) ->
    {ok, pid()} | {error, term()}.
host(#{kind := worker}, _Restart) ->
    pyport_hosts:shared();
host(#{kind := isolated, host := Options}, Restart) ->
    pyport_hosts:start_host(Options#{restart => Restart}).

-spec discard(pyport_context_options:config(), pid()) -> ok.
discard(#{kind := isolated}, Host) -> pyport_hosts:stop_host(Host);
discard(#{kind := worker}, _Host) -> ok.

-spec close(pyport_context_options:kind(), pid(), non_neg_integer()) -> ok.
close(isolated, Host, _Number) -> pyport_hosts:stop_host(Host);
close(worker, Host, Number) -> pyport_host:close_context(Host, Number).

-spec ask(context(), id | host | is_isolated) ->
    {ok, pos_integer() | pid()} | boolean() | {error, {context_died, term()}}.
ask(Ctx, Question) ->
    try
        gen_server:call(Ctx, Question, ?CALL_MS)
    catch
        exit:{Reason, _} -> {error, {context_died, Reason}}
    end.

-spec in_env(context(), term(), fun((own | pos_integer()) -> Result)) ->
    Result | {error, invalid_env | env_wrong_interpreter}.
in_env(Ctx, {py_env, Ctx, Number}, Run) ->
    Run(Number);
in_env(_Ctx, {py_env, _, _}, _Run) ->
    {error, env_wrong_interpreter};
in_env(_Ctx, _, _Run) ->
    {error, invalid_env}.
