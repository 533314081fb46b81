%% @private
%% @doc The application environment: every key with its default and what is
%% accepted. A bad value stops the start with an error that names the key.
%%
%% `docs/configuration.md' explains them, `docs/limits.md' the limits.
-module(pyport_config).

-export([load/0, check/1, keys/0]).

-include_lib("kernel/include/logger.hrl").

-export_type([config/0, reason/0]).

-type config() :: #{atom() => term()}.
-type reason() :: {bad_config, Key :: atom(), Value :: term(),
                   Accepted :: nonempty_string()}.
-define(MS_MAX, 16#FFFFFFFF).
-define(BYTES_MAX, 16#7FFFFFFFFFFFFFFF).
-define(SINKS, "logger, group_leader, user, null or {pid, Pid}").

-import(pyport_check, [key/4, range/2, at_least/1, or_infinity/1,
                       or_default/1, one_of/1]).

%% @doc Reads the environment of the application.
-spec load() -> {ok, config()} | {error, reason()}.
load() ->
    Given = application:get_all_env(pyport),
    case [Key || {Key, _, _, _} <- reference_keys(),
                 lists:keymember(Key, 1, Given)] of
        [] -> ok;
        Keys -> ?LOG_WARNING(#{what => settings_without_effect, keys => Keys})
    end,
    check(Given).

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

-spec check([pyport_check:key()], config(), config()) ->
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
-spec known(atom(), [pyport_check:key()]) -> boolean().
known(included_applications, _) -> true;
known(Key, Keys) -> lists:keymember(Key, 1, Keys).

-spec names([pyport_check:key()]) -> string().
names(Keys) ->
    lists:append(lists:join(", ", [atom_to_list(element(1, Key))
                                   || Key <- Keys])).

%% @doc Every key. Times are milliseconds and sizes are bytes.
-spec keys() -> [pyport_check:key()].
keys() ->
    pool_keys() ++ host_keys() ++ program_keys() ++ limit_keys()
        ++ buffer_keys() ++ channel_keys() ++ reference_keys().

-spec pool_keys() -> [pyport_check:key()].
pool_keys() ->
    Schedulers = erlang:system_info(schedulers),
    [key(num_contexts, Schedulers, range(1, 1024), "1..1024 contexts"),
     key(context_mode, worker, one_of([worker, isolated, owngil]),
      "worker, isolated or owngil"),
     key(paths, [], fun is_paths/1, "a list of directories")].

-spec host_keys() -> [pyport_check:key()].
host_keys() ->
    [key(hosts, 1, range(1, 64), "1..64 shared operating-system processes"),
     key(kill_after, default, or_default(or_infinity(range(1, 1000000000))),
      "1..1000000000 milliseconds, or infinity"),
     key(start_timeout, 10000, range(1, ?MS_MAX), "milliseconds"),
     key(setup_timeout, 60000, range(1, ?MS_MAX), "milliseconds"),
     key(silence, 1000, range(10, ?MS_MAX), "10.. milliseconds"),
     key(ping_timeout, 5000, range(10, ?MS_MAX), "10.. milliseconds"),
     key(stdout, user, fun is_sink/1, ?SINKS),
     key(stderr, logger, fun is_sink/1, ?SINKS),
     key(output_lines_per_s, 1000, range(1, 1000000), "1..1000000 lines"),
     key(memory_limit, infinity, or_infinity(at_least(1 bsl 24)),
      "at least 16777216 bytes, or infinity")].

-spec program_keys() -> [pyport_check:key()].
program_keys() ->
    [key(program, default, or_default(fun is_path/1), "a path"),
     key(python, default, or_default(fun is_path/1),
      "the path of a Python executable"),
     key(venv, none, fun(none) -> true; (Path) -> is_path(Path) end,
      "the path of a virtual environment, or none"),
     key(tmp_dir, default, or_default(fun is_path/1), "a directory"),
     key(spin_us, default, or_default(range(0, 10000)),
         "0..10000 microseconds"),
     key(switch_interval_us, default, or_default(range(50, 1000000)),
      "50..1000000 microseconds")].

-spec limit_keys() -> [pyport_check:key()].
limit_keys() ->
    [key(queue_max, 10000, range(1, 10000000), "1..10000000 requests"),
     key(queue_bytes_max, 256 bsl 20, at_least(1 bsl 16),
         "at least 65536 bytes"),
     key(frame_bytes_max, 64 bsl 20, range(1 bsl 12, 1 bsl 30),
      "4096..1073741824 bytes"),
     key(atoms_max, 10000, range(0, 1000000), "0..1000000 atoms")].

-spec buffer_keys() -> [pyport_check:key()].
buffer_keys() ->
    [key(bulk_threshold, 96 bsl 10,
         fun(0) -> true; (Value) -> (at_least(1024))(Value) end,
         "at least 1024 bytes, or 0 for no bulk lane"),
     key(buffers_max, 65536, range(1, 10000000), "1..10000000 buffers"),
     key(buffer_memory_max, 256 bsl 20, at_least(1 bsl 20),
         "at least 1048576 bytes"),
     key(resource_bytes_max, 16 bsl 30, at_least(1),
         "a positive number of bytes"),
     key(overflow_threshold, 1 bsl 20, range(0, ?BYTES_MAX),
         "a number of bytes"),
     key(buffer_window, 2 bsl 20, fun pyport_args:is_window/1,
         "a power of two from 65536 to 1073741824 bytes")].

-spec channel_keys() -> [pyport_check:key()].
channel_keys() ->
    [key(channels_max, 65536, range(1, 10000000), "1..10000000 channels"),
     key(channel_bytes_max, 256 bsl 20, at_least(1 bsl 20),
         "at least 1048576 bytes")].

%% Keys of erlang_python, and of later versions, whose feature comes later:
%% they are checked so that a configuration can be written today, and a value
%% that is given is a warning at the start.
-spec reference_keys() -> [pyport_check:key()].
reference_keys() ->
    Schedulers = erlang:system_info(schedulers),
    [key(max_concurrent, 2 * Schedulers + 1, at_least(1),
      "a positive number of calls"),
     key(imports, [], fun is_list/1, "a list of {Module, Function}"),
     key(max_state_entries, infinity, or_infinity(at_least(0)),
      "a number of entries, or infinity"),
     key(spare_hosts, 0, range(0, 0), "0: there are no warm spares yet"),
     key(enable_memory_limits, false, fun is_boolean/1, "true or false"),
     key(event_loop_pool_size, Schedulers, at_least(1), "a positive number"),
     key(event_loop_pool_owngil, false, fun is_boolean/1, "true or false"),
     key(max_callback_depth, 64, range(1, 1000), "1..1000 nested calls")].

-spec is_sink(term()) -> boolean().
is_sink({pid, Pid}) -> is_pid(Pid);
is_sink(Name) -> lists:member(Name, [logger, group_leader, user, null]).

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
