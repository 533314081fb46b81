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

-export([new/1, start_link/2, start_link/3, stop/1, destroy/1]).
-export([call/4, call/5, call/6, call/7]).
-export([eval/2, eval/3, eval/4, eval/5]).
-export([exec/2, exec/3]).
-export([call_method/4, to_term/1]).
-export([get_interp_id/1, is_subinterp/1, create_local_env/1, interrupt/1]).
%% For py.
-export([own_env/1, host_info/1]).

-export_type([context/0, context_mode/0, options/0, env/0, result/0]).

-type context() :: pid().
-type context_mode() :: pyport_context_options:mode().
-type options() :: pyport_context_options:options().
-type result() :: pyport_call:result().
-opaque env() :: {py_env, context(), own | pos_integer()}.

-define(STOP_MS, 5000).
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
        {ok, Config} -> pyport_context:start(Config);
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
%% those that queue, get `{error, context_destroyed}'. A context that has ended
%% is stopped; a process that is no context is left alone and is an error.
-spec stop(context()) -> ok | pyport_args:invalid_argument().
stop(Ctx) ->
    case pyport_context:what_is(Ctx) of
        context -> stop_context(Ctx);
        gone -> ok;
        other -> pyport_args:invalid(context, <<"the pid of a context">>)
    end.

%% @equiv stop(Ctx)
-spec destroy(context()) -> ok | pyport_args:invalid_argument().
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
    pyport_context:ask(Ctx, id).

%% @doc Whether the context has an interpreter of its own.
-spec is_subinterp(context()) -> boolean() | {error, term()}.
is_subinterp(Ctx) ->
    pyport_context:ask(Ctx, is_isolated).

%% @doc Makes an environment: a namespace that starts as a copy of the
%% context's. It goes when the process that uses it first ends.
-spec create_local_env(context()) -> {ok, env()} | {error, term()}.
create_local_env(Ctx) ->
    case pyport_context:ask(Ctx, id) of
        {ok, _} ->
            Number = ?ENV_BASE + erlang:unique_integer([positive]),
            {ok, {py_env, Ctx, Number}};
        Error ->
            Error
    end.

%% @doc Interrupts what runs in the context; its caller gets
%% `{error, interrupted}'.
-spec interrupt(context()) ->
    ok | not_running | {error, pyport_call:reason()}.
interrupt(Ctx) ->
    pyport_call:interrupt(Ctx).

%% @private
%% The environment that the functions of py use: that of the calling process.
-spec own_env(context()) -> env() | pyport_args:invalid_argument().
own_env(Ctx) when is_pid(Ctx) ->
    {py_env, Ctx, own};
own_env(_) ->
    pyport_args:invalid(context, <<"a pid">>).

%% @private
-spec host_info(context()) -> {ok, map()} | {error, term()}.
host_info(Ctx) ->
    case pyport_context:ask(Ctx, host) of
        {ok, Host} -> info(pyport_host:info(Host));
        {error, _} = Error -> Error
    end.

-spec info(map() | {error, term()}) -> {ok, map()} | {error, term()}.
info({error, _} = Error) -> Error;
info(Info) -> {ok, Info}.

%% Internal.

-spec stop_context(context()) -> ok.
stop_context(Ctx) ->
    try
        gen_server:stop(Ctx, normal, ?STOP_MS)
    catch
        exit:timeout ->
            true = exit(Ctx, kill),
            ok;
        exit:_ ->
            ok
    end.

-spec in_env(context(), term(), fun((own | pos_integer()) -> Result)) ->
    Result | {error, invalid_env | env_wrong_interpreter}.
in_env(Ctx, {py_env, Ctx, Number}, Run) ->
    Run(Number);
in_env(_Ctx, {py_env, _, _}, _Run) ->
    {error, env_wrong_interpreter};
in_env(_Ctx, _, _Run) ->
    {error, invalid_env}.
