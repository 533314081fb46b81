%% What the module py promises, on the real program.
-module(py_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        a_call_gives_the_result,
        names_are_atoms_binaries_or_strings,
        keyword_arguments_reach_the_function,
        a_call_to_a_pool_or_a_context_runs_there,
        call_in_a_context_takes_options,
        detailed_errors_are_maps_with_cause_and_notes,
        a_python_exception_is_a_class_and_a_message,
        the_traceback_stays_in_the_process_that_got_the_error,
        stop_iteration_and_exit_have_their_own_forms,
        eval_sees_its_locals_and_forgets_them,
        exec_defines_what_later_calls_see,
        an_environment_belongs_to_one_process,
        an_environment_goes_with_its_process,
        cast_runs_and_says_nothing,
        spawn_call_sends_the_result,
        an_await_that_timed_out_leaves_no_message,
        spawn_call_uses_the_namespace_of_the_context,
        parallel_gives_the_values_in_order,
        parallel_gives_the_first_error_in_order,
        version_names_python,
        host_info_names_the_process,
        gc_and_memory_stats_come_from_python,
        the_rest_of_the_facts,
        many_callers_are_served_alike,
        a_full_queue_refuses_at_once
    ].

init_per_suite(Config) ->
    Config.

end_per_suite(_) ->
    ok.

init_per_testcase(a_full_queue_refuses_at_once, Config) ->
    ok = py_case:start([{num_contexts, 2}, {queue_max, 5}]),
    Config;
init_per_testcase(_, Config) ->
    ok = py_case:start([{num_contexts, 2}]),
    Config.

end_per_testcase(_, Config) ->
    py_case:stop(Config).

a_call_gives_the_result(_) ->
    {ok, 4.0} = py:call(math, sqrt, [16]),
    {ok, 4.0} = py:call(math, sqrt, [16], #{}),
    {ok, 4.0} = py:call(math, sqrt, [16], #{}, 5000).

names_are_atoms_binaries_or_strings(_) ->
    {ok, 4.0} = py:call(<<"math">>, <<"sqrt">>, [16]),
    {ok, 4.0} = py:call("math", "sqrt", [16]),
    {ok, 4.0} = py:call("math", sqrt, [16], #{}),
    {ok, <<"a/b">>} = py:call('os.path', join, [<<"a">>, b]).

keyword_arguments_reach_the_function(_) ->
    {ok, 255} = py:call(builtins, int, [<<"ff">>], #{base => 16}),
    {ok, 255} = py:call(builtins, int, [<<"ff">>], #{<<"base">> => 16}),
    {error, {'TypeError', Why}} =
        py:call(builtins, int, [<<"ff">>], #{1 => 16}),
    {match, _} = re:run(Why, "keywords must be strings").

a_call_to_a_pool_or_a_context_runs_there(_) ->
    Ctx = py:context(1),
    {ok, 4.0} = py:call(default, math, sqrt, [16]),
    {ok, 10} = py:call(default, builtins, int, [<<"a">>], #{base => 16}),
    {ok, 4.0} = py:call(Ctx, math, sqrt, [16]),
    {error, {unknown_pool, no_such_pool}} =
        py:call(no_such_pool, math, sqrt, [16]).

call_in_a_context_takes_options(_) ->
    Ctx = py:context(1),
    Options = #{kwargs => #{base => 16}, timeout => 5000},
    {ok, 255} = py:call(Ctx, builtins, int, [<<"ff">>], Options),
    {error, timeout} =
        py:call(Ctx, time, sleep, [0.3], #{timeout => 20}).

detailed_errors_are_maps_with_cause_and_notes(_) ->
    Ctx = py:context(1),
    ok = py:exec(Ctx, <<
        "def f():\n"
        "    try:\n"
        "        1 / 0\n"
        "    except ZeroDivisionError as inner:\n"
        "        error = ValueError('outer')\n"
        "        error.add_note('a note')\n"
        "        raise error from inner\n"
    >>),
    {error, Details} =
        py:call(Ctx, '__main__', f, [], #{errors => detailed}),
    #{
        type := 'ValueError',
        message := "outer",
        traceback := Traceback,
        notes := [<<"a note">>],
        cause := #{type := 'ZeroDivisionError'}
    } = Details,
    {match, _} = re:run(Traceback, "in f").

a_python_exception_is_a_class_and_a_message(_) ->
    {error, {'ZeroDivisionError', "division by zero"}} =
        py:eval(<<"1/0">>),
    {error, {'NameError', "name 'nope' is not defined"}} =
        py:eval(<<"nope">>),
    {error, {'SyntaxError', _}} = py:eval(<<"1 +">>),
    {error, {'KeyError', "'k'"}} = py:eval(<<"{}['k']">>),
    {error, {'ValueError', [104, 233]}} =
        py:exec(<<"raise ValueError('hé')"/utf8>>),
    {error, {'AssertionError', []}} = py:exec(<<"assert False">>).

the_traceback_stays_in_the_process_that_got_the_error(_) ->
    undefined = py:last_traceback(),
    {error, _} = py:exec(<<"def boom():\n    1 / 0\nboom()">>),
    Traceback = py:last_traceback(),
    {match, _} = re:run(Traceback, "in boom"),
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() ->
        Self ! {self(), py:last_traceback()}
    end),
    normal = py_case:down(Monitor),
    receive
        {Pid, Other} -> undefined = Other
    end.

stop_iteration_and_exit_have_their_own_forms(_) ->
    {error, {stop_iteration, none}} = py:eval(<<"next(iter([]))">>),
    {error, {'SystemExit', "3"}} = py:call(sys, exit, [3]),
    {ok, 1} = py:eval(<<"1">>).

eval_sees_its_locals_and_forgets_them(_) ->
    {ok, 3} = py:eval(<<"a + b">>, #{a => 1, <<"b">> => 2}),
    {error, {'NameError', _}} = py:eval(<<"a">>),
    {ok, 7} = py:eval("x * 7", #{x => 1}, 5000),
    {ok, 5} = py:eval(py:context(1), <<"2 + 3">>),
    {ok, 5} = py:eval(py:context(1), <<"2 + x">>, #{x => 3}).

exec_defines_what_later_calls_see(_) ->
    ok = py:exec(<<"def twice(x): return 2 * x\nbase = 20">>),
    {ok, 42} = py:call('__main__', twice, [21]),
    {ok, 42} = py:call(<<"__main__">>, <<"twice">>, [21]),
    {ok, 42} = py:eval(<<"twice(base + 1)">>),
    ok = py:exec(py:context(), <<"base = 1">>),
    {ok, 1} = py:eval(<<"base">>).

an_environment_belongs_to_one_process(_) ->
    Ctx = py:context(),
    ok = py:exec(Ctx, <<"mine = 1">>),
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() ->
        Self ! {self(), py:eval(Ctx, <<"mine">>)}
    end),
    normal = py_case:down(Monitor),
    receive
        {Pid, Result} -> {error, {'NameError', _}} = Result
    end,
    {ok, 1} = py:eval(Ctx, <<"mine">>),
    {error, {'NameError', _}} = py_context:eval(Ctx, <<"mine">>),
    Env = py:get_local_env(Ctx),
    {ok, 1} = py_context:eval(Ctx, <<"mine">>, #{}, 5000, Env).

%% A finalizer that only the end of the environment can run connects to us.
an_environment_goes_with_its_process(_) ->
    {Listen, Port} = py_case:listen(),
    Code = io_lib:format(
        "import socket\n"
        "class Last:\n"
        "    def __del__(self, connect=socket.create_connection):\n"
        "        connect(('127.0.0.1', ~b)).close()\n"
        "last = Last()\n",
        [Port]
    ),
    {_, Monitor} = spawn_monitor(fun() ->
        ok = py:exec(py:context(1), lists:flatten(Code))
    end),
    normal = py_case:down(Monitor),
    ok = gen_tcp:close(py_case:announced(Listen)).

cast_runs_and_says_nothing(_) ->
    {Listen, Port} = py_case:listen(),
    ok = py:cast(socket, create_connection, [{<<"127.0.0.1">>, Port}]),
    ok = gen_tcp:close(py_case:announced(Listen)),
    ok = py:cast(py:context(1), math, sqrt, [-1]),
    ok = py:cast(no_such_module, f, [], #{}),
    {ok, 4.0} = py:call(py:context(1), math, sqrt, [16]),
    none = message().

spawn_call_sends_the_result(_) ->
    Ref = py:spawn_call(math, sqrt, [16]),
    {ok, 4.0} = py:await(Ref),
    Direct = py:spawn_call(py:context(1), math, sqrt, [-1]),
    receive
        {py_response, Direct, Result} ->
            {error, {'ValueError', "math domain error"}} = Result
    end,
    Named = py:spawn_call(builtins, int, [<<"ff">>], #{base => 16}),
    {ok, 255} = py:await(Named, 5000),
    none = message().

an_await_that_timed_out_leaves_no_message(_) ->
    {Listen, Port} = py_case:listen(),
    Ref = py:spawn_call(socket, create_connection, [
        {<<"127.0.0.1">>, Port}
    ]),
    Socket = py_case:announced(Listen),
    Slow = py:spawn_call(py:context(1), time, sleep, [0.2]),
    {error, timeout} = py:await(Slow, 1),
    {ok, _} = py:call(py:context(1), math, sqrt, [1]),
    ok = gen_tcp:close(Socket),
    {ok, _} = py:await(Ref),
    none = message().

spawn_call_uses_the_namespace_of_the_context(_) ->
    Ctx = py:context(),
    ok = py:exec(Ctx, <<"def f(): return 'environment'">>),
    ok = py_context:exec(Ctx, <<"def f(): return 'context'">>),
    {ok, <<"environment">>} = py:call(Ctx, '__main__', f, []),
    {ok, <<"context">>} = py:await(py:spawn_call(Ctx, '__main__', f, [])).

parallel_gives_the_values_in_order(_) ->
    Calls = [{math, sqrt, [N * N]} || N <- lists:seq(1, 50)],
    {ok, Values} = py:parallel(Calls),
    Values = [float(N) || N <- lists:seq(1, 50)],
    {ok, []} = py:parallel([]),
    {error, {invalid_argument, calls, _}} = py:parallel([nonsense]).

parallel_gives_the_first_error_in_order(_) ->
    {error, {'ValueError', _}} = py:parallel([
        {math, sqrt, [4]}, {math, sqrt, [-1]}, {no_such_module, f, []}
    ]),
    none = message().

version_names_python(_) ->
    {ok, Version} = py:version(),
    {match, _} = re:run(Version, "^3\\.[0-9]+\\.[0-9]+").

host_info_names_the_process(_) ->
    {ok, OsPid} = py:call(os, getpid, []),
    {ok, #{os_pid := OsPid}} = py:host_info(py:context(1)),
    true = lists:any(
        fun(#{os_pid := Pid}) -> Pid =:= OsPid end, py:host_info()
    ).

gc_and_memory_stats_come_from_python(_) ->
    {ok, Collected} = py:gc(),
    true = is_integer(Collected),
    {ok, #{gc_stats := [_ | _], gc_count := {_, _, _}}} = py:memory_stats().

the_rest_of_the_facts(_) ->
    worker = py:execution_mode(),
    true = py:subinterp_supported(),
    true = py:contexts_started(),
    {ok, [_, _]} = py:start_contexts(),
    false = py:is_ref(make_ref()),
    {error, invalid_ref} = py:to_term(make_ref()),
    ok = py:stop_contexts(),
    false = py:contexts_started(),
    {error, {unknown_pool, default}} = py:call(math, sqrt, [16]),
    {ok, [_]} = py:start_contexts(#{contexts => 1, mode => worker}),
    {ok, 4.0} = py:call(math, sqrt, [16]).

%% No share is timed: every caller makes calls until all have made some.
many_callers_are_served_alike(_) ->
    Callers = [
        spawn_monitor(fun() -> [{ok, _} = py:call(math, sqrt, [16])
            || _ <- lists:seq(1, 500)] end)
     || _ <- lists:seq(1, 64)
    ],
    [normal = py_case:down(Monitor) || {_, Monitor} <- Callers].

a_full_queue_refuses_at_once(_) ->
    {Listen, Port} = py_case:listen(),
    Ctx = py:context(1),
    Address = {<<"127.0.0.1">>, Port},
    ok = py:exec(Ctx, <<
        "import socket\n"
        "def wait(address):\n"
        "    with socket.create_connection(address) as link:\n"
        "        return len(link.recv(1))\n"
    >>),
    ok = py_context:exec(Ctx, <<
        "import socket\n"
        "def wait(address):\n"
        "    with socket.create_connection(address) as link:\n"
        "        return len(link.recv(1))\n"
    >>),
    First = py:spawn_call(Ctx, '__main__', wait, [Address]),
    Socket = py_case:announced(Listen),
    Others = [py:spawn_call(Ctx, math, sqrt, [4]) || _ <- lists:seq(1, 20)],
    %% The refused answer while the first call still runs.
    Refused = refusals(16, Others),
    ok = gen_tcp:send(Socket, <<"x">>),
    {ok, 1} = py:await(First),
    [{ok, 2.0} = py:await(Ref) || Ref <- Refused],
    {ok, 2.0} = py:call(math, sqrt, [4]).

%% Internal.

%% Takes so many refusals; gives the references that are left.
refusals(0, Refs) ->
    Refs;
refusals(Count, Refs) ->
    receive
        {py_response, Ref, {error, {overloaded, 5, 5}}} ->
            refusals(Count - 1, lists:delete(Ref, Refs))
    after 10000 -> error({not_refused, Count})
    end.

message() ->
    receive
        Message -> Message
    after 0 -> none
    end.
