%% Bad input gets an error that names it, nothing hangs and nothing is lost.
-module(bad_input_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        an_unknown_module_is_named,
        an_unknown_function_is_named,
        wrong_arity_is_a_type_error,
        a_name_with_nul_is_refused,
        a_name_that_is_no_name_is_refused,
        arguments_that_are_no_list_are_refused,
        keyword_arguments_that_are_no_map_are_refused,
        an_improper_list_is_a_type_error,
        an_unknown_mode_is_named_with_those_there_are,
        an_unknown_option_is_named_with_those_there_are,
        an_option_of_the_wrong_kind_is_named,
        a_term_too_deep_is_a_recursion_error,
        a_result_too_deep_is_a_recursion_error,
        a_term_too_large_is_refused_with_both_sizes,
        code_that_is_not_utf8_is_refused,
        code_with_nul_is_refused,
        code_that_is_no_text_is_refused,
        a_dead_context_is_an_error,
        a_context_that_is_no_pid_is_named,
        a_process_that_is_no_context_is_refused_and_left_alone,
        pools_and_registrations_are_checked,
        a_generation_that_is_none_is_named,
        preload_code_that_is_no_text_is_badarg,
        calls_before_the_start_are_errors,
        a_missing_program_fails_the_start,
        a_missing_python_fails_the_start,
        a_directory_that_cannot_be_written_fails_the_start,
        a_wrong_setting_fails_the_start
    ].

init_per_testcase(_, Config) ->
    ok = py_case:start([{num_contexts, 1}]),
    Config.

end_per_testcase(_, Config) ->
    ok = py_case:stop(Config),
    %% Nothing that was refused has left anything behind.
    ok = py_case:start([{num_contexts, 1}]),
    {ok, 4.0} = py:call(math, sqrt, [16]),
    py_case:stop(Config).

an_unknown_module_is_named(_) ->
    {error, {'ModuleNotFoundError', "No module named 'no_such_module'"}} =
        py:call(no_such_module, f, []),
    {error, {'ModuleNotFoundError', _}} =
        py:call(<<"no.such.module">>, <<"f">>, []).

an_unknown_function_is_named(_) ->
    {error, {'AttributeError', Why}} = py:call(math, no_such_function, []),
    {match, _} = re:run(Why, "math.*no_such_function"),
    {error, {'AttributeError', _}} = py:call(os, 'path.join', []),
    {error, {_, Main}} = py:call('__main__', no_such_function, []),
    {match, _} = re:run(Main, "no_such_function").

wrong_arity_is_a_type_error(_) ->
    {error, {'TypeError', _}} = py:call(math, sqrt, []),
    {error, {'TypeError', _}} = py:call(math, sqrt, [1, 2]),
    {error, {'TypeError', _}} = py:call(math, sqrt, [1], #{x => 1}),
    {error, {'TypeError', _}} = py:call(math, pi, []).

a_name_with_nul_is_refused(_) ->
    {error, {invalid_argument, module, _}} =
        py:call(<<"ma\0th">>, sqrt, [16]),
    {error, {invalid_argument, function, _}} =
        py:call(math, "sq\0rt", [16]),
    %% Atoms go the short way; the program looks at them.
    {error, {'ValueError', _}} = py:call('ma\0th', sqrt, [16]).

a_name_that_is_no_name_is_refused(_) ->
    Call = fun(M, F) -> py:call(M, F, [16], #{}) end,
    {error, {invalid_argument, module, _}} = Call(17, sqrt),
    {error, {invalid_argument, module, _}} = Call("", sqrt),
    {error, {invalid_argument, module, _}} = Call(<<>>, sqrt),
    {error, {invalid_argument, module, _}} = Call(<<255>>, sqrt),
    {error, {invalid_argument, function, _}} = Call(math, {sqrt}),
    {error, {invalid_argument, function, _}} = Call(math, [a, b]).

arguments_that_are_no_list_are_refused(_) ->
    {error, {invalid_argument, args, _}} = py:call(math, sqrt, 16),
    {error, {invalid_argument, args, _}} = py:call(math, sqrt, 16, #{}),
    {error, {invalid_argument, args, _}} =
        py_context:call(py:context(), math, sqrt, #{}).

keyword_arguments_that_are_no_map_are_refused(_) ->
    {error, {invalid_argument, kwargs, _}} = py:call(math, sqrt, [16], []),
    {error, {invalid_argument, kwargs, _}} =
        py:call(math, sqrt, [16], [{x, 1}]),
    {error, {invalid_argument, kwargs, _}} =
        py_context:call(py:context(), math, sqrt, [16], []),
    {error, {invalid_argument, locals, _}} = py:eval(<<"1">>, [{x, 1}]).

an_improper_list_is_a_type_error(_) ->
    {error, {'TypeError', _}} = py:call(math, sqrt, [16 | 17]),
    {error, {'TypeError', _}} = py:call(builtins, len, [[1 | 2]]),
    {error, {'TypeError', _}} = py:call(builtins, len, [<<1:3>>]).

an_unknown_mode_is_named_with_those_there_are(_) ->
    Modes = [worker, isolated, owngil],
    {error, {invalid_mode, thread, Modes}} =
        py_context:new(#{mode => thread}),
    {error, {invalid_mode, "worker", Modes}} =
        py_context:start_link(1, "worker"),
    {error, {invalid_mode, 1, Modes}} = py:start_contexts(#{mode => 1}).

an_unknown_option_is_named_with_those_there_are(_) ->
    {error, {invalid_option, colour, Known}} =
        py_context:new(#{mode => worker, colour => red}),
    true = lists:member(preload, Known),
    {error, {invalid_option, kwarg, [arrays, errors, kwargs, timeout]}} =
        py:call(py:context(), math, sqrt, [16], #{kwarg => #{}}),
    {error, {invalid_option, size, _}} = py:start_contexts(#{size => 1}).

an_option_of_the_wrong_kind_is_named(_) ->
    Wrong = [
        {memory_limit, 0}, {memory_limit, lots}, {cpu_limit, -1},
        {kill_after, soon}, {preload, 17}, {python_path, "/tmp"},
        {python_path, [17]}, {env, [{a, b}]}, {env, #{a => 1}},
        {stdout, file}, {stderr, {pid, me}}
    ],
    [
        {error, {invalid_option, Key, <<_, _/binary>>}} =
            py_context:new(#{mode => isolated, Key => Value})
     || {Key, Value} <- Wrong
    ],
    {error, {invalid_argument, options, _}} = py_context:new([]),
    {error, {invalid_option, errors, _}} =
        py:call(py:context(), math, sqrt, [16], #{errors => all}).

a_term_too_deep_is_a_recursion_error(_) ->
    Deep = lists:foldl(fun(_, T) -> [T] end, [], lists:seq(1, 300)),
    {error, {'RecursionError', "Erlang term nesting too deep"}} =
        py:call(builtins, len, [Deep]),
    {error, {'RecursionError', _}} = py:eval(<<"x">>, #{x => Deep}).

a_result_too_deep_is_a_recursion_error(_) ->
    ok = py:exec(<<"x = []\nfor _ in range(300): x = [x]">>),
    {error, {'RecursionError', _}} = py:eval(<<"x">>),
    ok = py:exec(<<"y = []\ny.append(y)">>),
    {error, {'RecursionError', _}} = py:eval(<<"y">>).

a_term_too_large_is_refused_with_both_sizes(Config) ->
    ok = py_case:stop(Config),
    ok = py_case:start([{num_contexts, 1}, {frame_bytes_max, 1 bsl 20}]),
    Large = binary:copy(<<"x">>, 1 bsl 20),
    {error, {too_large, Bytes, Max}} = py:call(builtins, len, [Large]),
    true = Bytes > Max,
    {error, _} = py:eval(<<"'x' * (1 << 21)">>),
    {ok, 4.0} = py:call(math, sqrt, [16]).

code_that_is_not_utf8_is_refused(_) ->
    {error, {Class, _}} = py:eval(<<"'", 255, "'">>),
    true = lists:member(Class, ['UnicodeDecodeError', bad_request]),
    {error, {Class, _}} = py:exec(<<"x = '", 255, "'">>).

code_with_nul_is_refused(_) ->
    {error, {Class, _}} = py:eval(<<"1 +\0 1">>),
    true = lists:member(Class, ['ValueError', 'SyntaxError', bad_request]),
    {error, {Class, _}} = py:exec(<<"x = 1\0">>).

code_that_is_no_text_is_refused(_) ->
    [
        {error, {invalid_argument, code, _}} = py:eval(Code)
     || Code <- [17, code, [a], [16#110000], #{}]
    ],
    {error, {invalid_argument, code, _}} = py:exec({code}),
    {ok, 2} = py:eval("len('日本')").

a_dead_context_is_an_error(_) ->
    {Pid, Monitor} = spawn_monitor(fun() -> ok end),
    normal = py_case:down(Monitor),
    Died = {error, {context_died, noproc}},
    [Died = py:call(Ctx, math, sqrt, [16]) || Ctx <- [Pid, self()]],
    Died = py:eval(Pid, <<"1">>),
    Died = py:interrupt(Pid),
    {error, {invalid_argument, context, _}} = py:interrupt(context).

a_context_that_is_no_pid_is_named(_) ->
    {ok, Env} = py_context:create_local_env(py:context()),
    Calls = [
        fun(C) -> py_context:call(C, math, sqrt, [16]) end,
        fun(C) -> py_context:call(C, math, sqrt, [16], #{}, 1000) end,
        fun(C) -> py_context:eval(C, <<"1">>) end,
        fun(C) -> py_context:exec(C, <<"1">>) end,
        fun py_context:interrupt/1,
        fun py_context:stop/1,
        fun py_context:destroy/1,
        fun py_context:get_interp_id/1,
        fun py_context:is_subinterp/1,
        fun py_context:create_local_env/1,
        fun py:host_info/1,
        fun py:get_local_env/1,
        fun py_context_router:bind_context/1,
        fun(C) -> py:await(py:spawn_call(C, math, sqrt, [16], #{})) end
    ],
    [
        {C, {error, {invalid_argument, context, <<_, _/binary>>}}} =
            {C, Call(C)}
     || Call <- Calls, C <- [17, "context", <<"c">>, {a}, #{}, []]
    ],
    %% What is no environment, and the environment of something else.
    {error, invalid_env} =
        py_context:eval(py:context(), <<"1">>, #{}, 1000, 17),
    {error, env_wrong_interpreter} =
        py_context:eval(self(), <<"1">>, #{}, 1000, Env).

a_process_that_is_no_context_is_refused_and_left_alone(_) ->
    Other = spawn_link(fun() -> receive stop -> ok end end),
    {error, {invalid_argument, context, _}} = py_context:stop(Other),
    Died = {error, {context_died, noproc}},
    Died = py_context:get_interp_id(Other),
    Died = py_context:create_local_env(Other),
    Died = py:host_info(Other),
    Died = py_context_router:bind_context(Other),
    {messages, []} = process_info(Other, messages),
    Monitor = monitor(process, Other),
    Other ! stop,
    normal = py_case:down(Monitor),
    ok = py_context:stop(Other).

pools_and_registrations_are_checked(_) ->
    Pool = {error, {invalid_argument, pool, <<"an atom">>}},
    Pool = py_context_router:start_pool("pool", 1),
    Pool = py_context_router:stop_pool(17),
    Pool = py_context_router:bind_context(17, py:context()),
    Pool = py_context_router:unbind_context(<<"pool">>),
    Pool = py:register_pool("pool", math),
    {error, {invalid_argument, module, _}} = py:register_pool(pool, "math"),
    {error, {invalid_argument, module, _}} = py:unregister_pool("math"),
    {error, {invalid_argument, module, _}} =
        py_context_router:unregister_pool(math, "sqrt"),
    {error, {unknown_pool, pool}} = py:call(pool, math, sqrt, [16]),
    [
        badarg = raised(fun() -> py_context_router:get_context(N) end)
     || N <- [0, -1, 1000, nopool, "1", 1.0]
    ].

a_generation_that_is_none_is_named(_) ->
    [
        {error, {invalid_argument, generation, <<"0, 1 or 2">>}} = py:gc(G)
     || G <- [-1, 3, all, "2"]
    ],
    {ok, _} = py:gc(0).

preload_code_that_is_no_text_is_badarg(_) ->
    [
        badarg = raised(fun() -> py_preload:set_code(Code) end)
     || Code <- [17, code, #{}, <<255>>, [16#110000]]
    ],
    false = py_preload:has_preload().

calls_before_the_start_are_errors(Config) ->
    Ctx = py:context(),
    ok = py_case:stop(Config),
    NotStarted = {error, {not_started, pyport}},
    NotStarted = py:call(math, sqrt, [16]),
    NotStarted = py:eval(<<"1">>),
    NotStarted = py:exec(<<"1">>),
    NotStarted = py:parallel([{math, sqrt, [16]}]),
    NotStarted = py:version(),
    NotStarted = py_context:new(#{}),
    NotStarted = py_context:new(#{mode => isolated}),
    NotStarted = py:start_contexts(),
    NotStarted = py:register_pool(default, math),
    {error, {context_died, noproc}} = py:call(Ctx, math, sqrt, [16]).

a_missing_program_fails_the_start(_) ->
    {error, Reason} = start([{program, "/no/such/program"}]),
    {match, _} = re:run(py_case:text(Reason), "/no/such/program").

a_missing_python_fails_the_start(_) ->
    {error, Reason} = start([{python, "/no/such/python"}]),
    {match, _} = re:run(py_case:text(Reason), "/no/such/python").

a_directory_that_cannot_be_written_fails_the_start(_) ->
    {error, Reason} = start([{tmp_dir, "/proc"}]),
    {match, _} = re:run(py_case:text(Reason), "/proc").

a_wrong_setting_fails_the_start(_) ->
    {error, Reason} = start([{num_contexts, many}]),
    {match, _} = re:run(py_case:text(Reason), "num_contexts"),
    {error, Unknown} = start([{num_context, 2}]),
    {match, _} = re:run(py_case:text(Unknown), "num_context").

%% Internal.

raised(Run) ->
    try Run() of
        Value -> {no_error, Value}
    catch
        error:Reason -> Reason
    end.

start(Env) ->
    ok = py_case:stop(Env),
    ok = application:load(pyport),
    [ok = application:set_env(pyport, Key, Value) || {Key, Value} <- Env],
    application:start(pyport).
