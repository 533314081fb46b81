%% @doc Python, called from Erlang.
%%
%% == First steps ==
%% ```
%% {ok, _} = application:ensure_all_started(pyport),
%% {ok, 4.0} = py:call(math, sqrt, [16]),
%% {ok, 3} = py:eval(<<"a + b">>, #{a => 1, b => 2}),
%% ok = py:exec(<<"def hello(name): return f'Hello, {name}'">>),
%% {ok, <<"Hello, you">>} = py:call('__main__', hello, [<<"you">>]).
%% '''
%% Python runs in an operating-system process of its own. Whatever it does,
%% the node lives on: a crash gives `{error, {context_died, Death}}' to the
%% calls in flight, and Python is back for the next one.
%%
%% == Where a call runs ==
%% The forms without a context use the pool `default' (or the one that
%% {@link register_pool/2} names) and the context that the calling process is
%% bound to, see {@link py_context_router}. The forms that begin with a pid use
%% that context, and those that begin with an atom before a module a pool.
%%
%% == Names and namespaces ==
%% Modules and functions are atoms, binaries or strings. `eval', `exec' and
%% calls of module `` '__main__' '' use an environment of the calling process:
%% a namespace that starts as a copy of the context's and goes when the process
%% ends. The functions of {@link py_context} use the context's own.
%%
%% == Errors ==
%% A Python exception is ``{error, {'ValueError', "message"}}'', its traceback
%% is at {@link last_traceback/0}. With `#{errors => detailed}' the error is a
%% map with `type', `message', `traceback', `notes', `cause'. A wrong argument
%% is `{error, {invalid_argument, Name, Accepted}}', a wrong option
%% `{error, {invalid_option, Key, Accepted}}'. A full queue is
%% `{error, {overloaded, Current, Max}}', at once; a pool of an application that
%% was not started is `{error, {not_started, pyport}}'.
%%
%% == Time ==
%% Forms without a context have 30 seconds, those with one no limit. A deadline
%% covers queueing and running; it ends in `{error, timeout}', and only the
%% request that asked is interrupted. 0 counts as one millisecond. When a
%% calling process dies, its requests are cancelled.
-module(py).

-export([call/3, call/4, call/5]).
-export([eval/1, eval/2, eval/3, eval/4, exec/1, exec/2, exec/3]).
-export([cast/3, cast/4, cast/5]).
-export([spawn_call/3, spawn_call/4, spawn_call/5, await/1, await/2]).
-export([parallel/1, interrupt/1, last_traceback/0]).
-export([start_contexts/0, start_contexts/1, stop_contexts/0]).
-export([contexts_started/0, context/0, context/1, get_local_env/1]).
-export([register_pool/2, unregister_pool/1]).
-export([version/0, execution_mode/0, subinterp_supported/0]).
-export([host_info/0, host_info/1, gc/0, gc/1, memory_stats/0]).
-export([call_method/3, getattr/2, to_term/1, is_ref/1]).

-export_type([py_module/0, py_func/0, result/0, reason/0, call_options/0]).

-type py_module() :: pyport_args:name().
-type py_func() :: pyport_args:name().
-type result() :: pyport_call:result().
-type reason() :: pyport_call:reason().
-type call_options() :: #{
    kwargs => map(),
    timeout => timeout(),
    errors => plain | detailed,
    arrays => list | binary
}.

-define(TIMEOUT_MS, 30000).
-define(DEFAULT, {pool, default}).

%% @doc Calls a function; 30 seconds.
-spec call(py_module(), py_func(), [term()]) -> result().
call(Module, Function, Args) ->
    routed(Module, Function, Args, #{}, ?TIMEOUT_MS).

%% @doc `call(Module, Function, Args, Kwargs)',
%% `call(Pool, Module, Function, Args)' or
%% `call(Context, Module, Function, Args)': what the last argument is, a map or
%% a list, and whether the first is a pid, decides.
-spec call
    (M :: py_module(), F :: py_func(), Args :: [term()],
        Kwargs :: map()) -> result();
    (PoolOrContext :: atom() | pid(),
        M :: py_module(), F :: py_func(), Args :: [term()]) -> result().
call(Ctx, Module, Function, Args) when is_pid(Ctx) ->
    in_context(Ctx, Module, Function, Args, #{});
call(Pool, Module, Function, Args) when is_atom(Pool), is_list(Args) ->
    case pyport_args:is_name(Function) of
        true -> in_pool(Pool, Module, Function, Args, #{}, ?TIMEOUT_MS);
        %% call(M, F, Args, []): the list is at the place of the map.
        false -> routed(Pool, Module, Function, Args, ?TIMEOUT_MS)
    end;
call(Module, Function, Args, Kwargs) ->
    routed(Module, Function, Args, Kwargs, ?TIMEOUT_MS).

%% @doc `call(Module, Function, Args, Kwargs, Timeout)',
%% `call(Pool, Module, Function, Args, Kwargs)' or
%% `call(Context, Module, Function, Args, Options)' with the options
%% `kwargs', `timeout' (default `infinity'), `errors => detailed' and
%% `arrays => binary': arrays of numbers in the result are
%% `{ndarray, Dtype, Shape, Binary}' and not nested lists.
-spec call
    (M :: py_module(), F :: py_func(), Args :: [term()],
        Kwargs :: map(), Timeout :: timeout()) -> result();
    (Pool :: atom(), M :: py_module(), F :: py_func(), Args :: [term()],
        Kwargs :: map()) -> result();
    (Context :: pid(), M :: py_module(), F :: py_func(), Args :: [term()],
        Options :: call_options()) -> result().
call(Ctx, Module, Function, Args, Options) when is_pid(Ctx) ->
    in_context(Ctx, Module, Function, Args, Options);
call(Pool, Module, Function, Args, Kwargs) when
    is_atom(Pool), is_list(Args), is_map(Kwargs)
->
    in_pool(Pool, Module, Function, Args, Kwargs, ?TIMEOUT_MS);
call(Module, Function, Args, Kwargs, Timeout) ->
    routed(Module, Function, Args, Kwargs, Timeout).

%% @equiv eval(Code, #{})
-spec eval(pyport_args:code()) -> result().
eval(Code) ->
    eval(Code, #{}, ?TIMEOUT_MS).

%% @doc `eval(Code, Locals)' or `eval(Context, Code)'.
-spec eval
    (Code :: pyport_args:code(), Locals :: map()) -> result();
    (Context :: pid(), Code :: pyport_args:code()) -> result().
eval(Ctx, Code) when is_pid(Ctx) ->
    eval(Ctx, Code, #{}, infinity);
eval(Code, Locals) ->
    eval(Code, Locals, ?TIMEOUT_MS).

%% @doc `eval(Code, Locals, Timeout)' or `eval(Context, Code, Locals)'.
%% `Locals' are visible to the expression and do not last.
-spec eval
    (Code :: pyport_args:code(), Locals :: map(), Timeout :: timeout()) ->
        result();
    (Context :: pid(), Code :: pyport_args:code(), Locals :: map()) ->
        result().
eval(Ctx, Code, Locals) when is_pid(Ctx) ->
    eval(Ctx, Code, Locals, infinity);
eval(Code, Locals, Timeout) ->
    pyport_call:eval(?DEFAULT, own, Code, Locals, Timeout, 0).

%% @doc Evaluates in a context, with a deadline.
-spec eval(pid(), pyport_args:code(), map(), timeout()) -> result().
eval(Ctx, Code, Locals, Timeout) when is_pid(Ctx) ->
    pyport_call:eval(Ctx, own, Code, Locals, Timeout, 0);
eval(_, _, _, _) ->
    pyport_args:invalid(context, <<"a pid">>).

%% @doc Executes statements, without a time limit.
-spec exec(pyport_args:code()) -> ok | {error, reason()}.
exec(Code) ->
    pyport_call:exec(?DEFAULT, own, Code, infinity).

%% @equiv exec(Ctx, Code, infinity)
-spec exec(pid(), pyport_args:code()) -> ok | {error, reason()}.
exec(Ctx, Code) ->
    exec(Ctx, Code, infinity).

%% @doc Executes statements in a context, with a deadline.
-spec exec(pid(), pyport_args:code(), timeout()) -> ok | {error, reason()}.
exec(Ctx, Code, Timeout) when is_pid(Ctx) ->
    pyport_call:exec(Ctx, own, Code, Timeout);
exec(_, _, _) ->
    pyport_args:invalid(context, <<"a pid">>).

%% @doc Calls a function and drops the result, errors included.
-spec cast(py_module(), py_func(), [term()]) -> ok.
cast(Module, Function, Args) ->
    pyport_task:cast(fun() -> plain(Module, Function, Args, #{}) end).

%% @doc `cast(Module, Function, Args, Kwargs)' or
%% `cast(Context, Module, Function, Args)'.
-spec cast
    (M :: py_module(), F :: py_func(), Args :: [term()], Kwargs :: map()) -> ok;
    (Ctx :: pid(), M :: py_module(), F :: py_func(), Args :: [term()]) -> ok.
cast(Ctx, Module, Function, Args) when is_pid(Ctx) ->
    cast(Ctx, Module, Function, Args, #{});
cast(Module, Function, Args, Kwargs) ->
    pyport_task:cast(fun() -> plain(Module, Function, Args, Kwargs) end).

%% @doc The same in a context.
-spec cast(pid(), py_module(), py_func(), [term()], map()) -> ok.
cast(Ctx, Module, Function, Args, Kwargs) ->
    pyport_task:cast(fun() ->
        py_context:call(Ctx, Module, Function, Args, Kwargs)
    end).

%% @doc Calls a function without waiting. The caller gets the message
%% `{py_response, Ref, Result}', or takes the result with {@link await/2}.
%% Module `` '__main__' '' is the context's namespace, not the caller's.
-spec spawn_call(py_module(), py_func(), [term()]) -> reference().
spawn_call(Module, Function, Args) ->
    pyport_task:start(fun() -> plain(Module, Function, Args, #{}) end).

%% @doc `spawn_call(Module, Function, Args, Kwargs)' or
%% `spawn_call(Context, Module, Function, Args)'.
-spec spawn_call
    (M :: py_module(), F :: py_func(), Args :: [term()],
        Kwargs :: map()) -> reference();
    (Context :: pid(), M :: py_module(), F :: py_func(), Args :: [term()]) ->
        reference().
spawn_call(Ctx, Module, Function, Args) when is_pid(Ctx) ->
    spawn_call(Ctx, Module, Function, Args, #{});
spawn_call(Module, Function, Args, Kwargs) ->
    pyport_task:start(fun() -> plain(Module, Function, Args, Kwargs) end).

%% @doc The same in a context.
-spec spawn_call(pid(), py_module(), py_func(), [term()], map()) ->
    reference().
spawn_call(Ctx, Module, Function, Args, Kwargs) ->
    pyport_task:start(fun() ->
        py_context:call(Ctx, Module, Function, Args, Kwargs)
    end).

%% @equiv await(Ref, 30000)
-spec await(reference()) -> result().
await(Ref) ->
    await(Ref, ?TIMEOUT_MS).

%% @doc The result of {@link spawn_call/3}. After `{error, timeout}' the result
%% is given up: it does not turn up in the mailbox later.
-spec await(reference(), timeout()) -> result().
await(Ref, Timeout) when is_reference(Ref) ->
    case pyport_args:timeout(Timeout) of
        {ok, Ms} -> pyport_task:await(Ref, Ms);
        Invalid -> Invalid
    end;
await(_, _) ->
    pyport_args:invalid(ref, <<"a reference from spawn_call">>).

%% @doc Runs calls at the same time on the contexts of the pool `default' and
%% gives the values in order, or the first error in that order. Each call has
%% 30 seconds.
-spec parallel([{py_module(), py_func(), [term()]}]) ->
    {ok, [term()]} | {error, reason()}.
parallel(Calls) ->
    pyport_parallel:run(Calls, ?TIMEOUT_MS).

%% @doc Interrupts what runs in a context; its caller gets
%% `{error, interrupted}'.
-spec interrupt(pid()) -> ok | not_running | {error, reason()}.
interrupt(Ctx) when is_pid(Ctx) ->
    pyport_call:interrupt(Ctx);
interrupt(_) ->
    pyport_args:invalid(context, <<"a pid">>).

%% @doc The traceback of the last Python exception that the calling process
%% got as an error, or `undefined'.
-spec last_traceback() -> binary() | undefined.
last_traceback() ->
    pyport_call:last_traceback().

%% @equiv start_contexts(#{})
-spec start_contexts() -> {ok, [pid()]} | {error, term()}.
start_contexts() ->
    start_contexts(#{}).

%% @doc Starts the pool `default', see {@link py_context_router:start/1}.
-spec start_contexts(map()) -> {ok, [pid()]} | {error, term()}.
start_contexts(Options) ->
    py_context_router:start(Options).

%% @doc Stops the pool `default'.
-spec stop_contexts() -> ok.
stop_contexts() ->
    py_context_router:stop().

%% @doc Whether the pool `default' runs.
-spec contexts_started() -> boolean().
contexts_started() ->
    py_context_router:is_started().

%% @doc The context of the calling process. Raises `badarg' when there is none.
-spec context() -> pid().
context() ->
    py_context_router:get_context().

%% @doc The Nth context of the pool `default', counted from 1. Raises `badarg'
%% when there is none.
-spec context(pos_integer()) -> pid().
context(N) ->
    py_context_router:get_context(N).

%% @doc The environment of the calling process in a context, to be passed to
%% the functions of {@link py_context}. It means the process that uses it.
-spec get_local_env(pid()) ->
    py_context:env() | pyport_args:invalid_argument().
get_local_env(Ctx) ->
    py_context:own_env(Ctx).

%% @doc Sends calls of a module or a function to a pool.
-spec register_pool(atom(), module() | {module(), atom()}) ->
    ok | pyport_registry:error().
register_pool(Pool, Key) ->
    py_context_router:register_pool(Pool, Key).

%% @doc Takes that back.
-spec unregister_pool(module() | {module(), atom()}) ->
    ok | pyport_args:invalid_argument().
unregister_pool(Key) ->
    py_context_router:unregister_pool(Key).

%% @doc The version of Python, as in `sys.version'.
-spec version() -> {ok, binary()} | {error, reason()}.
version() ->
    call(sys, '__getattribute__', [version]).

%% @doc The mode of the contexts in the pool `default', from the configuration.
-spec execution_mode() -> py_context:context_mode().
execution_mode() ->
    application:get_env(pyport, context_mode, worker).

%% @doc Whether contexts of mode `owngil' can be had: on every Python.
-spec subinterp_supported() -> true.
subinterp_supported() ->
    true.

%% @doc What is known of each operating-system process that runs Python.
-spec host_info() -> [map()].
host_info() ->
    [pyport_host:info(Host) || Host <- pyport_hosts:all()].

%% @doc The same for the process behind one context.
-spec host_info(pid()) -> {ok, map()} | {error, reason()}.
host_info(Ctx) ->
    py_context:host_info(Ctx).

%% @equiv gc(2)
-spec gc() -> {ok, non_neg_integer()} | {error, reason()}.
gc() ->
    gc(2).

%% @doc Runs Python's cyclic garbage collector; the number of objects found.
-spec gc(0..2) -> {ok, non_neg_integer()} | {error, reason()}.
gc(Generation) when is_integer(Generation), 0 =< Generation, Generation =< 2 ->
    call(gc, collect, [Generation]);
gc(_) ->
    pyport_args:invalid(generation, <<"0, 1 or 2">>).

%% @doc Figures of Python's garbage collector in the calling process's context.
-spec memory_stats() -> {ok, map()} | {error, reason()}.
memory_stats() ->
    pyport_parallel:map(#{
        gc_stats => {gc, get_stats, []},
        gc_count => {gc, get_count, []},
        gc_threshold => {gc, get_threshold, []}
    }).

%% @doc See {@link py_context:call_method/4}.
-spec call_method(term(), py_func(), [term()]) -> {error, invalid_ref}.
call_method(_Ref, _Method, _Args) ->
    {error, invalid_ref}.

%% @doc See {@link py_context:call_method/4}.
-spec getattr(term(), py_func()) -> {error, invalid_ref}.
getattr(_Ref, _Name) ->
    {error, invalid_ref}.

%% @doc See {@link py_context:call_method/4}.
-spec to_term(term()) -> {error, invalid_ref}.
to_term(Ref) ->
    py_context:to_term(Ref).

%% @doc Whether a term refers to a Python object: no term does.
-spec is_ref(term()) -> false.
is_ref(_) ->
    false.

%% Internal.

-spec routed(py_module(), py_func(), term(), term(), timeout()) -> result().
routed(Module, Function, Args, Kwargs, Timeout) ->
    Pool = py_context_router:lookup_pool(Module, Function),
    in_pool(Pool, Module, Function, Args, Kwargs, Timeout).

-spec in_pool(atom(), term(), term(), term(), term(), timeout()) -> result().
in_pool(Pool, Module, Function, Args, Kwargs, Timeout) ->
    Env = pyport_call:env_of(Module),
    Opts = {Timeout, 0},
    Target = {pool, Pool},
    pyport_call:call(Target, Env, Module, Function, Args, Kwargs, Opts).

-spec in_context(pid(), term(), term(), term(), term()) -> result().
in_context(Ctx, Module, Function, Args, Options) ->
    case pyport_call:options(Options) of
        {ok, Kwargs, Opts} ->
            Env = pyport_call:env_of(Module),
            pyport_call:call(Ctx, Env, Module, Function, Args, Kwargs, Opts);
        Invalid ->
            Invalid
    end.

%% In a process that was made for one call: there is no environment to use.
-spec plain(py_module(), py_func(), term(), term()) -> result().
plain(Module, Function, Args, Kwargs) ->
    Target = {pool, py_context_router:lookup_pool(Module, Function)},
    Opts = {?TIMEOUT_MS, 0},
    pyport_call:call(Target, none, Module, Function, Args, Kwargs, Opts).
