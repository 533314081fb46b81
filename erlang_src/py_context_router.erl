%% @doc Pools of contexts, and which of them a process uses.
%%
%% == Pools ==
%% The application starts the pool `default' with `num_contexts' contexts of
%% mode `context_mode'. More pools come from {@link start_pool/4}; a module or
%% a function is sent to one of them by {@link register_pool/3}.
%%
%% ```
%% {ok, [_, _]} = py_context_router:start_pool(reports, 2, isolated),
%% ok = py_context_router:register_pool(reports, statistics),
%% {ok, 2} = py:call(statistics, median, [[1, 2, 3]]).
%% '''
%%
%% A context of a pool that is killed is replaced. When the operating-system
%% process behind it dies, the context stays and is open again after the
%% restart, its setup applied anew.
%%
%% == Binding ==
%% A process that uses a pool for the first time is given one of its contexts
%% and keeps it, so that what it defined with {@link py:exec/1} is there the
%% next time. {@link bind_context/1} chooses another. The binding is in the
%% process dictionary. A process bound to a context that is gone gets another.
-module(py_context_router).

-export([start/0, start/1, stop/0, is_started/0]).
-export([start_pool/2, start_pool/3, start_pool/4]).
-export([stop_pool/1, pool_started/1]).
-export([get_context/0, get_context/1, num_contexts/0, num_contexts/1]).
-export([contexts/0, contexts/1]).
-export([bind_context/1, bind_context/2, unbind_context/0, unbind_context/1]).
-export([init_pool_registry/0, register_pool/2, register_pool/3]).
-export([unregister_pool/1, unregister_pool/2, lookup_pool/2]).
-export([list_pool_registrations/0]).

-export_type([pool/0]).

-type pool() :: atom().

-define(DEFAULT, default).
-define(SIZE_MAX, 1024).

%% @equiv start(#{})
-spec start() -> {ok, [pid()]} | {error, term()}.
start() ->
    start(#{}).

%% @doc Starts the pool `default'. Options: `contexts' (how many; default: the
%% number of schedulers) and those of {@link py_context:new/1}. A pool that
%% runs already is left as it is.
-spec start(map()) -> {ok, [pid()]} | {error, term()}.
start(#{num_contexts := Size, context_mode := Mode, paths := Paths}) ->
    %% The application's own configuration, at its start.
    start_pool(?DEFAULT, Size, Mode, #{python_path => Paths});
start(Options) when is_map(Options) ->
    Size = maps:get(contexts, Options, default_size()),
    Mode = maps:get(mode, Options, default_mode()),
    start_pool(?DEFAULT, Size, Mode, maps:without([contexts, mode], Options));
start(_) ->
    pyport_args:invalid(options, <<"a map">>).

%% @doc Stops the pool `default'.
-spec stop() -> ok.
stop() ->
    py_context_sup:stop_pool(?DEFAULT).

%% @doc Whether the pool `default' runs.
-spec is_started() -> boolean().
is_started() ->
    pool_started(?DEFAULT).

%% @equiv start_pool(Pool, Size, worker)
-spec start_pool(pool(), pos_integer()) -> {ok, [pid()]} | {error, term()}.
start_pool(Pool, Size) ->
    start_pool(Pool, Size, worker).

%% @equiv start_pool(Pool, Size, Mode, #{})
-spec start_pool(pool(), pos_integer(), py_context:context_mode()) ->
    {ok, [pid()]} | {error, term()}.
start_pool(Pool, Size, Mode) ->
    start_pool(Pool, Size, Mode, #{}).

%% @doc Starts a pool whose contexts have the options of
%% {@link py_context:new/1}. Answers the contexts when all of them are ready.
%% A pool that runs already is left as it is.
-spec start_pool(Pool, Size, Mode, Options) ->
    {ok, [pid()]} | {error, term()}
when
    Pool :: pool(),
    Size :: pos_integer(),
    Mode :: py_context:context_mode(),
    Options :: py_context:options().
start_pool(Pool, _, _, _) when not is_atom(Pool) ->
    pyport_args:invalid(pool, <<"an atom">>);
start_pool(_, Size, _, _) when
    not is_integer(Size); Size < 1; Size > ?SIZE_MAX
->
    pyport_args:invalid(size, <<"an integer from 1 to 1024">>);
start_pool(_, _, _, Options) when not is_map(Options) ->
    pyport_args:invalid(options, <<"a map">>);
start_pool(Pool, Size, Mode, Options) ->
    case pyport_context_options:config(Options#{mode => Mode}) of
        {ok, Config} -> start_checked(Pool, Size, Config);
        Error -> Error
    end.

%% @doc Stops a pool. Calls in flight get `{error, context_destroyed}'.
-spec stop_pool(pool()) -> ok | pyport_args:invalid_argument().
stop_pool(Pool) when is_atom(Pool) ->
    py_context_sup:stop_pool(Pool);
stop_pool(_) ->
    pyport_args:invalid(pool, <<"an atom">>).

%% @doc Whether a pool runs.
-spec pool_started(pool()) -> boolean().
pool_started(Pool) ->
    pyport_pool:is_started(Pool).

%% @doc The context of the calling process in the pool `default'. Raises
%% `badarg' when the pool does not run.
-spec get_context() -> pid().
get_context() ->
    get_context(?DEFAULT).

%% @doc The Nth context of the pool `default', counted from 1, or the context
%% of the calling process in a pool. Raises `badarg' when there is none.
-spec get_context(pos_integer() | pool()) -> pid().
get_context(N) when is_integer(N) ->
    try
        lists:nth(N, contexts())
    catch
        error:function_clause -> error(badarg, [N])
    end;
get_context(Pool) when is_atom(Pool) ->
    case pyport_call:bound_context(Pool) of
        {ok, Ctx} -> Ctx;
        {error, _} -> error(badarg, [Pool])
    end;
get_context(Other) ->
    error(badarg, [Other]).

%% @doc How many contexts the pool `default' has; 0 when it does not run.
-spec num_contexts() -> non_neg_integer().
num_contexts() ->
    num_contexts(?DEFAULT).

%% @doc How many contexts a pool has; 0 when it does not run.
-spec num_contexts(pool()) -> non_neg_integer().
num_contexts(Pool) ->
    length(contexts(Pool)).

%% @doc The contexts of the pool `default'.
-spec contexts() -> [pid()].
contexts() ->
    contexts(?DEFAULT).

%% @doc The contexts of a pool.
-spec contexts(pool()) -> [pid()].
contexts(Pool) ->
    pyport_pool:members(Pool).

%% @equiv bind_context(default, Ctx)
-spec bind_context(pid()) -> ok | {error, pyport_call:reason()}.
bind_context(Ctx) ->
    bind_context(?DEFAULT, Ctx).

%% @doc Makes the calling process use this context for a pool. A process that
%% is no context is `{error, {context_died, noproc}}'.
-spec bind_context(pool(), pid()) -> ok | {error, pyport_call:reason()}.
bind_context(Pool, Ctx) when is_atom(Pool) ->
    pyport_call:bind_context(Pool, Ctx);
bind_context(_, _) ->
    pyport_args:invalid(pool, <<"an atom">>).

%% @equiv unbind_context(default)
-spec unbind_context() -> ok.
unbind_context() ->
    pyport_call:unbind_context(?DEFAULT).

%% @doc Forgets the binding; the next use makes a new one.
-spec unbind_context(pool()) -> ok | pyport_args:invalid_argument().
unbind_context(Pool) when is_atom(Pool) ->
    pyport_call:unbind_context(Pool);
unbind_context(_) ->
    pyport_args:invalid(pool, <<"an atom">>).

%% @doc Does nothing: the registry is there as long as the application runs.
-spec init_pool_registry() -> ok.
init_pool_registry() ->
    ok.

%% @doc Sends calls of a module, or of `{Module, Function}', to a pool.
-spec register_pool(pool(), module() | {module(), atom()}) ->
    ok | pyport_registry:error().
register_pool(Pool, {Module, Function}) ->
    register_pool(Pool, Module, Function);
register_pool(Pool, Module) ->
    pyport_registry:add(Pool, Module).

%% @doc Sends calls of one function to a pool. It wins over its module.
-spec register_pool(pool(), module(), atom()) ->
    ok | pyport_registry:error().
register_pool(Pool, Module, Function) ->
    pyport_registry:add(Pool, {Module, Function}).

%% @doc Takes a registration back.
-spec unregister_pool(module() | {module(), atom()}) ->
    ok | pyport_args:invalid_argument().
unregister_pool(Key) ->
    pyport_registry:remove(Key).

%% @doc Takes the registration of a function back.
-spec unregister_pool(module(), atom()) ->
    ok | pyport_args:invalid_argument().
unregister_pool(Module, Function) ->
    pyport_registry:remove({Module, Function}).

%% @doc The pool that serves a function.
-spec lookup_pool(py:py_module(), py:py_func()) -> pool().
lookup_pool(Module, Function) ->
    pyport_registry:lookup(Module, Function).

%% @doc All registrations.
-spec list_pool_registrations() ->
    [{module() | {module(), atom()}, pool()}].
list_pool_registrations() ->
    pyport_registry:all().

%% Internal.

-spec start_checked(pool(), pos_integer(), pyport_context_options:config()) ->
    {ok, [pid()]} | {error, term()}.
start_checked(Pool, Size, Config) ->
    case py_context_sup:start_pool(Pool, Size, Config) of
        {ok, Pid} -> ready(Pool, pyport_pool:await(Pid));
        {error, _} = Error -> Error
    end.

-spec ready(pool(), {ok, [pid()]} | {error, term()}) ->
    {ok, [pid()]} | {error, term()}.
ready(_Pool, {ok, _} = Ready) ->
    Ready;
ready(Pool, {error, _} = Error) ->
    ok = stop_pool(Pool),
    Error.

-spec default_size() -> pos_integer().
default_size() ->
    case application:get_env(pyport, num_contexts) of
        {ok, Size} when is_integer(Size) -> Size;
        _ -> erlang:system_info(schedulers)
    end.

-spec default_mode() -> py_context:context_mode().
default_mode() ->
    application:get_env(pyport, context_mode, worker).
