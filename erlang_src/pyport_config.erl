%% @private
%% @doc The application environment: every key with its default and what is
%% accepted. A bad value stops the start with an error that names the key.
%%
%% `docs/limits.md' explains the limits among them.
-module(pyport_config).

-export([load/0, check/1, keys/0]).

-export_type([config/0, reason/0]).

-type config() :: #{atom() => term()}.
-type reason() :: {bad_config, Key :: atom(), Value :: term(),
                   Accepted :: string()}.
-type check() :: fun((term()) -> boolean()).
-type key() :: {Key :: atom(), Default :: term(), check(),
                Accepted :: string()}.

-define(MS_MAX, 16#FFFFFFFF).

%% @doc Reads the environment of the application.
-spec load() -> {ok, config()} | {error, reason()}.
load() ->
    check(application:get_all_env(pyport)).

%% @doc Completes the given settings with defaults, or names the first that
%% is wrong. Keys that are not known are refused: a misspelt limit that is
%% silently ignored is no limit.
-spec check([{atom(), term()}]) -> {ok, config()} | {error, reason()}.
check(Given) ->
    Keys = keys(),
    case [Pair || {Key, _} = Pair <- Given, not known(Key, Keys)] of
        [{Key, Value} | _] ->
            {error, {bad_config, Key, Value, "a known key: " ++ names(Keys)}};
        [] ->
            check(Keys, maps:from_list(Given), #{})
    end.

-spec check([key()], config(), config()) ->
          {ok, config()} | {error, reason()}.
check([{Key, Default, Check, Accepted} | Keys], Given, Config) ->
    Value = maps:get(Key, Given, Default),
    case Check(Value) of
        true -> check(Keys, Given, Config#{Key => Value});
        false -> {error, {bad_config, Key, Value, Accepted}}
    end;
check([], _, Config) ->
    {ok, Config}.

%% `included_applications' is OTP's own and always there.
-spec known(atom(), [key()]) -> boolean().
known(included_applications, _) -> true;
known(Key, Keys) -> lists:keymember(Key, 1, Keys).

-spec names([key()]) -> string().
names(Keys) ->
    lists:append(lists:join(", ", [atom_to_list(element(1, Key))
                                   || Key <- Keys])).

%% @doc Every key. Times are milliseconds and sizes are bytes.
-spec keys() -> [key()].
keys() ->
    pool_keys() ++ host_keys() ++ program_keys() ++ limit_keys()
        ++ reference_keys().

-spec pool_keys() -> [key()].
pool_keys() ->
    Schedulers = erlang:system_info(schedulers),
    [{num_contexts, Schedulers, range(1, 1024), "1..1024 contexts"},
     {context_mode, worker, one_of([worker, isolated, owngil]),
      "worker, isolated or owngil"},
     {max_concurrent, 2 * Schedulers + 1, at_least(1),
      "a positive number of calls"},
     {imports, [], fun is_list/1, "a list of {Module, Function}"},
     {paths, [], fun is_paths/1, "a list of directories"},
     {max_state_entries, infinity, or_infinity(at_least(0)),
      "a number of entries, or infinity"}].

-spec host_keys() -> [key()].
host_keys() ->
    [{hosts, 1, range(1, 64), "1..64 shared operating-system processes"},
     {spare_hosts, 0, range(0, 1), "0 or 1 warm spare of a shared host"},
     {kill_after, default, or_default(or_infinity(range(1, 1000000000))),
      "1..1000000000 milliseconds, or infinity"},
     {start_timeout, 10000, range(1, ?MS_MAX), "milliseconds"},
     {setup_timeout, 60000, range(1, ?MS_MAX), "milliseconds"},
     {silence, 1000, range(10, ?MS_MAX), "10.. milliseconds"},
     {ping_timeout, 5000, range(10, ?MS_MAX), "10.. milliseconds"},
     {stdout, user, fun is_sink/1, sinks()},
     {stderr, logger, fun is_sink/1, sinks()},
     {output_lines_per_s, 1000, range(1, 1000000), "1..1000000 lines"},
     {memory_limit, infinity, or_infinity(at_least(1 bsl 24)),
      "at least 16777216 bytes, or infinity"}].

-spec program_keys() -> [key()].
program_keys() ->
    [{program, default, or_default(fun is_path/1), "a path"},
     {python, default, or_default(fun is_path/1),
      "the path of a Python executable"},
     {venv, none, fun(none) -> true; (Path) -> is_path(Path) end,
      "the path of a virtual environment, or none"},
     {tmp_dir, default, or_default(fun is_path/1), "a directory"},
     {spin_us, default, or_default(range(0, 10000)), "0..10000 microseconds"},
     {switch_interval_us, default, or_default(range(50, 1000000)),
      "50..1000000 microseconds"}].

-spec limit_keys() -> [key()].
limit_keys() ->
    [{queue_max, 10000, range(1, 10000000), "1..10000000 requests"},
     {queue_bytes_max, 256 bsl 20, at_least(1 bsl 16), "at least 65536 bytes"},
     {frame_bytes_max, 64 bsl 20, range(1 bsl 12, 1 bsl 30),
      "4096..1073741824 bytes"},
     {atoms_max, 10000, range(0, 1000000), "0..1000000 atoms"}].

%% Keys of erlang_python, and of `api.md', whose feature comes later: they
%% are checked so that a configuration can be written today.
-spec reference_keys() -> [key()].
reference_keys() ->
    Schedulers = erlang:system_info(schedulers),
    [{enable_memory_limits, false, fun is_boolean/1, "true or false"},
     {event_loop_pool_size, Schedulers, at_least(1), "a positive number"},
     {event_loop_pool_owngil, false, fun is_boolean/1, "true or false"},
     {bulk_threshold, 64 bsl 10, at_least(1024), "at least 1024 bytes"},
     {resource_bytes_max, 1 bsl 30, at_least(1), "a positive number of bytes"},
     {overflow_threshold, 1 bsl 20, at_least(0), "a number of bytes"},
     {max_callback_depth, 64, range(1, 1000), "1..1000 nested calls"}].

-spec range(integer(), integer()) -> check().
range(Min, Max) ->
    fun(Value) -> is_integer(Value) andalso Value >= Min
                      andalso Value =< Max end.

-spec at_least(integer()) -> check().
at_least(Min) ->
    fun(Value) -> is_integer(Value) andalso Value >= Min end.

-spec or_infinity(check()) -> check().
or_infinity(Check) ->
    fun(Value) -> Value =:= infinity orelse Check(Value) end.

-spec or_default(check()) -> check().
or_default(Check) ->
    fun(Value) -> Value =:= default orelse Check(Value) end.

-spec one_of([atom()]) -> check().
one_of(Atoms) ->
    fun(Value) -> lists:member(Value, Atoms) end.

-spec is_sink(term()) -> boolean().
is_sink({pid, Pid}) -> is_pid(Pid);
is_sink(Name) -> lists:member(Name, [logger, group_leader, user, null]).

-spec sinks() -> string().
sinks() -> "logger, group_leader, user, null or {pid, Pid}".

%% A file name without NUL: what the operating system takes.
-spec is_path(term()) -> boolean().
is_path(Path) when is_binary(Path), Path =/= <<>> ->
    binary:match(Path, <<0>>) =:= nomatch;
is_path([_ | _] = Path) ->
    io_lib:char_list(Path) andalso not lists:member(0, Path);
is_path(_) ->
    false.

-spec is_paths(term()) -> boolean().
is_paths(Paths) when is_list(Paths) -> lists:all(fun is_path/1, Paths);
is_paths(_) -> false.
