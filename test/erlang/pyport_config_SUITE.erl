%% The application environment: defaults, and errors that name the key.
-module(pyport_config_SUITE).

-compile([export_all, nowarn_export_all]).

all() ->
    [nothing_given_is_all_defaults,
     what_is_given_wins,
     a_bad_value_names_key_value_and_what_is_accepted,
     every_default_is_accepted,
     an_unknown_key_is_refused_with_the_known_ones,
     a_path_with_nul_is_refused].

nothing_given_is_all_defaults(_) ->
    {ok, #{hosts := 1, spare_hosts := 0, context_mode := worker,
           queue_max := 10000, atoms_max := 10000, stderr := logger,
           stdout := user}} = pyport_config:check([]).

what_is_given_wins(_) ->
    {ok, #{hosts := 2, kill_after := infinity}} =
        pyport_config:check([{hosts, 2}, {kill_after, infinity}]).

a_bad_value_names_key_value_and_what_is_accepted(_) ->
    Bad = [{hosts, 0}, {hosts, two}, {context_mode, thread}, {queue_max, -1},
           {kill_after, 0}, {stdout, {pid, here}}, {num_contexts, 0},
           {paths, ["ok", 1]}, {tmp_dir, ""}, {frame_bytes_max, 1},
           {memory_limit, 10}, {atoms_max, infinity}],
    [{error, {bad_config, Key, Value, [_ | _]}} =
         pyport_config:check([{Key, Value}]) || {Key, Value} <- Bad].

every_default_is_accepted(_) ->
    {ok, Config} = pyport_config:check([]),
    {ok, Config} = pyport_config:check(maps:to_list(Config)).

an_unknown_key_is_refused_with_the_known_ones(_) ->
    {error, {bad_config, num_context, 4, "a known key: " ++ Known}} =
        pyport_config:check([{num_context, 4}]),
    true = string:find(Known, "num_contexts") =/= nomatch.

a_path_with_nul_is_refused(_) ->
    {error, {bad_config, program, "a\0b", _}} =
        pyport_config:check([{program, "a\0b"}]).
