%% The options of a context, checked and sorted: what the host needs, what the
%% context needs, what Python runs first. Pure but for the preload code that is
%% set for the node.
%% @private
-module(pyport_context_options).

-export([config/1, mode/1]).

-export_type([mode/0, kind/0, options/0, config/0, sink/0, error/0]).

-type mode() :: worker | isolated | owngil.
-type kind() :: worker | isolated.
-type sink() :: logger | group_leader | user | null | {pid, pid()}.
-type options() :: #{
    mode => mode(),
    memory_limit => Bytes :: pos_integer(),
    cpu_limit => Seconds :: pos_integer(),
    kill_after => Ms :: timeout(),
    preload => pyport_args:code(),
    python_path => [file:name_all()],
    env => #{pyport_args:name() => binary() | string()},
    stdout => sink(),
    stderr => sink()
}.
-type config() :: #{
    kind := kind(),
    %% For pyport_hosts:start_host/1; empty for a worker.
    host := map(),
    %% For pyport_host:open_context/2.
    context := #{setup := [binary()], kill_after => timeout()}
}.
-type error() ::
    pyport_args:invalid()
    | {error,
        {invalid_mode, term(), Accepted :: [mode(), ...]}
        | memory_limit_requires_isolated
        | cpu_limit_requires_isolated
        | env_requires_isolated
        | stdout_requires_isolated
        | stderr_requires_isolated}.

-define(MODES, [worker, isolated, owngil]).
-define(ISOLATED_ONLY, [memory_limit, cpu_limit, env, stdout, stderr]).

-spec config(term()) -> {ok, config()} | error().
config(Options) when is_map(Options) ->
    case mode(maps:get(mode, Options, worker)) of
        {ok, Kind} -> checked(Kind, Options);
        Error -> Error
    end;
config(_) ->
    pyport_args:invalid(options, <<"a map">>).

%% A context that has a process of its own is isolated, whatever it is called.
-spec mode(term()) ->
    {ok, kind()} | {error, {invalid_mode, term(), [mode(), ...]}}.
mode(worker) -> {ok, worker};
mode(isolated) -> {ok, isolated};
mode(owngil) -> {ok, isolated};
mode(Other) -> {error, {invalid_mode, Other, ?MODES}}.

%% Internal.

-spec checked(kind(), map()) -> {ok, config()} | error().
checked(Kind, Options) ->
    case pyport_args:options(Options, rules()) of
        ok when Kind =:= worker -> worker(Options);
        ok -> {ok, isolated(Options)};
        Invalid -> Invalid
    end.

-spec worker(map()) -> {ok, config()} | error().
worker(Options) ->
    case maps:keys(maps:with(?ISOLATED_ONLY, Options)) of
        [] ->
            Setup = path_setup(Options) ++ setup(Options),
            {ok, #{
                kind => worker,
                host => #{},
                context => context(Options, Setup)
            }};
        [Key | _] ->
            {error, requires_isolated(Key)}
    end.

-spec isolated(map()) -> config().
isolated(Options) ->
    Host = maps:with([kill_after | ?ISOLATED_ONLY], Options),
    Paths = [pyport_args:path(P) || P <- maps:get(python_path, Options, [])],
    #{
        kind => isolated,
        host => Host#{kind => isolated, python_path => Paths},
        context => context(Options, setup(Options))
    }.

-spec context(map(), [binary()]) ->
    #{setup := [binary()], kill_after => timeout()}.
context(Options, Setup) ->
    (maps:with([kill_after], Options))#{setup => Setup}.

-spec setup(map()) -> [binary()].
setup(Options) ->
    Own = [iolist_to_binary(unicode:characters_to_binary(Code)) ||
        {ok, Code} <- [maps:find(preload, Options)]],
    [Code || Code <- [py_preload:get_code()], Code =/= undefined] ++ Own.

%% A worker shares the interpreter of its host, so its directories are put in
%% front of sys.path there. They travel as hexadecimal digits: nothing that a
%% user passes is pasted into source code.
-spec path_setup(map()) -> [binary()].
path_setup(#{python_path := [_ | _] = Paths}) ->
    Text = lists:join(<<0>>, [pyport_args:path(Path) || Path <- Paths]),
    Hex = binary:encode_hex(iolist_to_binary(Text)),
    [
        iolist_to_binary([
            "def _add(text):\n"
            "    import sys\n"
            "    new = [p for p in text.split(chr(0)) if p not in sys.path]\n"
            "    sys.path[0:0] = new\n"
            "_add(bytes.fromhex('", Hex, "').decode())\n"
            "del _add\n"
        ])
    ];
path_setup(_) ->
    [].

-spec requires_isolated(
    memory_limit | cpu_limit | env | stdout | stderr
) ->
    memory_limit_requires_isolated
    | cpu_limit_requires_isolated
    | env_requires_isolated
    | stdout_requires_isolated
    | stderr_requires_isolated.
requires_isolated(memory_limit) -> memory_limit_requires_isolated;
requires_isolated(cpu_limit) -> cpu_limit_requires_isolated;
requires_isolated(env) -> env_requires_isolated;
requires_isolated(stdout) -> stdout_requires_isolated;
requires_isolated(stderr) -> stderr_requires_isolated.

-spec rules() -> #{atom() => pyport_args:rule()}.
rules() ->
    Sink = {fun is_sink/1, <<"logger, group_leader, user, null or {pid, P}">>},
    #{
        mode => {fun(_) -> true end, <<"worker, isolated or owngil">>},
        memory_limit => {fun is_positive/1, <<"bytes, a positive integer">>},
        cpu_limit => {fun is_positive/1, <<"seconds, a positive integer">>},
        kill_after => {fun is_timeout/1, <<"milliseconds or infinity">>},
        preload => {fun is_code/1, <<"a binary in UTF-8 or a string">>},
        python_path => {fun is_paths/1, <<"a list of directories">>},
        env => {fun is_env/1, <<"a map of names to binaries or strings">>},
        stdout => Sink,
        stderr => Sink
    }.

-spec is_positive(term()) -> boolean().
is_positive(N) -> is_integer(N) andalso N > 0.

-spec is_timeout(term()) -> boolean().
is_timeout(Term) ->
    case pyport_args:timeout(Term) of
        {ok, _} -> true;
        {error, _} -> false
    end.

-spec is_code(term()) -> boolean().
is_code(Code) when is_binary(Code); is_list(Code) ->
    try unicode:characters_to_binary(Code) of
        Binary when is_binary(Binary) -> true;
        _ -> false
    catch
        error:badarg -> false
    end;
is_code(_) ->
    false.

-spec is_paths(term()) -> boolean().
is_paths([]) -> true;
is_paths([P | Ps]) -> pyport_args:path(P) =/= error andalso is_paths(Ps);
is_paths(_) -> false.

-spec is_env(term()) -> boolean().
is_env(Env) when is_map(Env) ->
    lists:all(
        fun({Name, Value}) ->
            pyport_args:is_name(Name) andalso
                (Value =:= <<>> orelse Value =:= "" orelse
                    (not is_atom(Value) andalso pyport_args:is_name(Value)))
        end,
        maps:to_list(Env)
    );
is_env(_) ->
    false.

-spec is_sink(term()) -> boolean().
is_sink({pid, Pid}) -> is_pid(Pid);
is_sink(Sink) -> lists:member(Sink, [logger, group_leader, user, null]).
