%% The link against a fake program: routing, limits, deadlines, deaths.
-module(pyport_link_SUITE).

-compile([export_all, nowarn_export_all]).

-define(CALL_MS, 10000).
-define(QUESTIONS_MAX, 1000).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    [answers_in_one_batch_reach_their_callers,
     an_answer_to_nobody_is_dropped,
     an_exception_and_an_error_are_told_apart,
     a_request_names_context_environment_and_timeout,
     the_environment_of_a_process_stays_the_same,
     a_full_queue_answers_overloaded_and_recovers,
     too_many_bytes_in_flight_answer_overloaded,
     a_payload_over_the_frame_is_refused_with_both_numbers,
     a_callers_death_cancels_its_request,
     a_callers_death_drops_its_environments,
     an_environment_outlives_those_who_did_not_use_it_first,
     an_environment_that_was_dropped_belongs_to_its_next_user,
     the_environments_of_a_closed_context_are_forgotten,
     a_deadline_that_the_program_misses_is_kept_by_the_link,
     a_segfault_answers_everybody_in_flight_with_its_stack,
     an_exit_status_is_told,
     what_the_program_announced_explains_its_death,
     an_orphan_that_holds_stderr_does_not_hold_the_answer,
     a_program_that_hangs_is_killed_and_replaced,
     a_program_that_is_stopped_is_killed_and_replaced,
     to_kill_takes_no_program_but_the_shell,
     a_stopped_program_ends_with_its_host,
     the_end_of_the_application_does_not_keep_a_program_alive,
     a_torn_packet_is_a_protocol_error,
     an_unknown_operation_is_a_protocol_error,
     a_length_that_never_ends_is_found_by_the_ping,
     a_request_during_the_restart_is_answered_after_it,
     a_request_to_a_dead_link_has_no_process,
     control_messages_are_answered].

init_per_testcase(Case, Config) ->
    ok = pyport_case:start(settings(Case)),
    Host = pyport_case:host(),
    [{host, Host}, {place, pyport_case:context(Host)} | Config].

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(a_full_queue_answers_overloaded_and_recovers) ->
    [{queue_max, 3}, {stdout, {pid, self()}}];
settings(too_many_bytes_in_flight_answer_overloaded) ->
    [{queue_bytes_max, 1 bsl 16}];
settings(a_payload_over_the_frame_is_refused_with_both_numbers) ->
    [{frame_bytes_max, 4096}];
settings(_) ->
    [{silence, 50}, {ping_timeout, 200}, {stderr, null}, {stdout, null}].

%% doc: requests that are answered together go to the right callers.
answers_in_one_batch_reach_their_callers(Config) ->
    Place = place(Config),
    Callers = [{N, pyport_case:async(Place, {hold, N}, ?CALL_MS)}
               || N <- lists:seq(1, 20)],
    ok = until_held(Place, 20),
    {ok, release} = call(Config, release),
    [{ok, {hold, N}} = pyport_case:await(Caller) || {N, Caller} <- Callers].

%% doc: an id that is not in flight is ignored.
an_answer_to_nobody_is_dropped(Config) ->
    {ok, unknown_id} = call(Config, unknown_id),
    {ok, again} = call(Config, again).

%% doc: the three kinds of answers have three shapes.
an_exception_and_an_error_are_told_apart(Config) ->
    {exception, Term} = call(Config, raise),
    {error, {'ValueError', "bad é"}, <<"trace">>} =
        pyport_term:exception_to_error(Term),
    {error, timeout} = call(Config, refuse).

%% doc: the program reads what the caller wrote.
a_request_names_context_environment_and_timeout(Config) ->
    {_, Number} = Place = place(Config),
    Number1 = integer_to_binary(Number),
    {ok, Where} = pyport_case:call(Place, where, 7, 1234),
    Where = <<Number1/binary, " 7 1234">>,
    {ok, Forever} = pyport_case:call(Place, where, none, infinity),
    Forever = <<Number1/binary, " 0 0">>.

%% doc: one process has one environment, and it is nobody else's.
the_environment_of_a_process_stays_the_same(Config) ->
    Place = place(Config),
    Own = fun() -> pyport_case:call(Place, where, own, ?CALL_MS) end,
    {ok, Mine} = Own(),
    {ok, Mine} = Own(),
    Other = spawn_monitor(fun() -> exit({got, Own()}) end),
    {ok, Theirs} = pyport_case:await(Other),
    true = Mine =/= Theirs.

%% doc: one request over queue_max is refused at once, and only that one.
a_full_queue_answers_overloaded_and_recovers(Config) ->
    Place = place(Config),
    Callers = [pyport_case:async(Place, {hold, N}, ?CALL_MS)
               || N <- [1, 2, 3]],
    [receive {py_output, #{line := <<"holding">>}} -> ok end || _ <- Callers],
    {error, {overloaded, 3, 3}} = call(Config, more),
    [exit(Pid, kill) || {Pid, _} <- Callers],
    ok = until_answered(Place, ?QUESTIONS_MAX).

%% doc: the bytes that wait are bounded too.
too_many_bytes_in_flight_answer_overloaded(Config) ->
    {error, {overloaded, 0, 65536}} = call(Config, binary:copy(<<0>>, 70000)),
    {ok, small} = call(Config, small).

%% doc: what no frame can carry is not sent.
a_payload_over_the_frame_is_refused_with_both_numbers(Config) ->
    Term = binary:copy(<<0>>, 5000),
    {error, {too_large, 5006, 4065}} = call(Config, Term),
    Fits = binary:copy(<<0>>, 4065 - 6),
    {ok, Fits} = call(Config, Fits).

%% doc: nobody waits for the answer any more, so the program hears of it.
a_callers_death_cancels_its_request(Config) ->
    Place = place(Config),
    {Pid, _} = pyport_case:async(Place, {hold, 1}, infinity),
    ok = until_held(Place, 1),
    true = exit(Pid, kill),
    ok = pyport_case:until_seen(Place, <<"cancel">>, ?QUESTIONS_MAX).

%% doc: the namespace of a process ends with it.
a_callers_death_drops_its_environments(Config) ->
    {_, Number} = Place = place(Config),
    {Pid, Monitor} = spawn_monitor(fun() ->
        {ok, _} = pyport_case:call(Place, where, own, ?CALL_MS)
    end),
    receive {'DOWN', Monitor, process, Pid, normal} -> ok end,
    Drop = <<"drop-", (integer_to_binary(Number))/binary>>,
    ok = pyport_case:until_seen(Place, Drop, ?QUESTIONS_MAX).

%% doc: a passer-by does not take along what it was shown.
an_environment_outlives_those_who_did_not_use_it_first(Config) ->
    Place = place(Config),
    {ok, _} = pyport_case:call(Place, where, 7, ?CALL_MS),
    ok = use_once(Place, 7),
    ok = use_once(Place, 8),
    ok = pyport_case:until_seen(Place, <<"drop">>, ?QUESTIONS_MAX),
    {ok, Seen} = pyport_case:call(Place, seen, ?CALL_MS),
    1 = length(binary:matches(Seen, <<"drop">>)).

%% doc: the first after the drop is a first again.
an_environment_that_was_dropped_belongs_to_its_next_user(Config) ->
    Place = place(Config),
    ok = use_once(Place, 7),
    ok = pyport_case:until_seen(Place, <<"drop">>, ?QUESTIONS_MAX),
    ok = use_once(Place, 7),
    ok = until_dropped(Place, 2, ?QUESTIONS_MAX).

%% doc: a caller that lives long meets many contexts.
the_environments_of_a_closed_context_are_forgotten(Config) ->
    Host = proplists:get_value(host, Config),
    {Link, _} = pyport_case:context(Host),
    {ok, _} = pyport_case:call({Link, 1}, where, own, ?CALL_MS),
    {dictionary, Before} = process_info(Link, dictionary),
    [begin
         {_, Number} = Place = pyport_case:context(Host),
         {ok, _} = pyport_case:call(Place, where, own, ?CALL_MS),
         {ok, _} = pyport_case:call(Place, where, 7, ?CALL_MS),
         ok = pyport_host:close_context(Host, Number)
     end || _ <- lists:seq(1, 20)],
    {ok, _} = pyport_case:call({Link, 1}, where, own, ?CALL_MS),
    {dictionary, After} = process_info(Link, dictionary),
    true = erts_debug:flat_size(After) =:= erts_debug:flat_size(Before).

%% doc: the caller gets its time-out even from a program that forgot it.
a_deadline_that_the_program_misses_is_kept_by_the_link(Config) ->
    {error, timeout} = pyport_case:call(place(Config), {hold, 1}, 10),
    ok = pyport_case:until_seen(place(Config), <<"cancel">>, ?QUESTIONS_MAX).

%% doc: all callers get the same death, and the next call works.
a_segfault_answers_everybody_in_flight_with_its_stack(Config) ->
    Place = place(Config),
    Waiting = pyport_case:async(Place, {hold, 1}, ?CALL_MS),
    ok = until_held(Place, 1),
    {error, {context_died, Death}} = call(Config, die_segv),
    {error, {context_died, Death}} = pyport_case:await(Waiting),
    #{reason := {signal, 11}, name := sigsegv, python_stack := Stack,
      stderr := <<"said before\n", Stack/binary>>, os_pid := OsPid} = Death,
    <<"Fatal Python error: Segmentation fault", _/binary>> = Stack,
    true = is_integer(OsPid),
    {ok, again} = call(Config, again).

%% doc: os._exit is no signal.
an_exit_status_is_told(Config) ->
    {error, {context_died, #{reason := {exit_status, 7}}}} =
        call(Config, die_exit).

%% doc: DYING says more than the exit status.
what_the_program_announced_explains_its_death(Config) ->
    {error, {context_died, #{reason := memory_limit, name := memory_limit}}} =
        call(Config, die_memory).

%% doc: a process that left the group and keeps stderr open costs a moment.
an_orphan_that_holds_stderr_does_not_hold_the_answer(Config) ->
    {error, {context_died, Death}} = call(Config, die_orphan),
    #{reason := {signal, 9}, stderr := <<"left an orphan">>} = Death,
    {ok, again} = call(Config, again).

%% doc: a program that reads nothing and answers nothing is dead.
a_program_that_hangs_is_killed_and_replaced(Config) ->
    {error, {context_died, #{reason := link_closed}}} = call(Config, hang),
    {ok, again} = call(Config, again).

%% doc: SIGSTOP is a way to hang.
a_program_that_is_stopped_is_killed_and_replaced(Config) ->
    {error, {context_died, #{reason := link_closed}}} = call(Config, stop),
    {ok, again} = call(Config, again).

%% doc: a slim image has no /bin/kill.
to_kill_takes_no_program_but_the_shell(Config) ->
    _ = erlang:trace(new, true, [call]),
    1 = erlang:trace_pattern({erlang, open_port, 2}, true, []),
    {error, {context_died, _}} = call(Config, stop),
    receive
        {trace, _, call, {_, _, [{_, Program} | _]}} -> "/bin/sh" = Program
    after ?CALL_MS -> error(not_killed)
    end,
    _ = erlang:trace(new, false, [call]),
    1 = erlang:trace_pattern({erlang, open_port, 2}, false, []).

%% doc: it cannot see that its lifeline was cut.
a_stopped_program_ends_with_its_host(Config) ->
    #{os_pid := OsPid} = pyport_host:info(proplists:get_value(host, Config)),
    Watch = watch(OsPid),
    Stopping = pyport_case:async(place(Config), stop, infinity),
    ok = pyport_hosts:stop_host(proplists:get_value(host, Config)),
    {error, _} = pyport_case:await(Stopping),
    ok = watched(Watch).

%% doc: when an application stops, what is left of its processes is killed.
the_end_of_the_application_does_not_keep_a_program_alive(_) ->
    Master = spawn(fun() -> receive never -> ok end end),
    {Stopping, Monitor} = spawn_monitor(fun() ->
        true = group_leader(Master, self()),
        {ok, Port, OsPid} = pyport_program:open(#{program => "/bin/sleep",
                                                  arguments => ["30"],
                                                  env => #{}}),
        ok = pyport_program:close(Port, OsPid),
        _ = [exit(Pid, kill) || Pid <- processes(), Pid =/= self(),
                                process_info(Pid, group_leader) =:=
                                    {group_leader, Master}],
        exit({os_pid, OsPid})
    end),
    receive
        {'DOWN', Monitor, process, Stopping, {os_pid, OsPid}} ->
            ok = watched(watch(OsPid))
    end.

%% doc: nothing after a torn batch is believed.
a_torn_packet_is_a_protocol_error(Config) ->
    {error, {context_died, #{reason := protocol_error}}} =
        call(Config, bad_torn),
    {ok, again} = call(Config, again).

%% doc: an operation that nobody knows ends the program.
an_unknown_operation_is_a_protocol_error(Config) ->
    {error, {context_died, #{reason := protocol_error}}} =
        call(Config, bad_op),
    {ok, again} = call(Config, again).

%% doc: the port waits for 4 GB without a word; the ping does not.
a_length_that_never_ends_is_found_by_the_ping(Config) ->
    {error, {context_died, #{reason := Reason}}} = call(Config, bad_length),
    true = lists:member(Reason, [link_closed, protocol_error]),
    {ok, again} = call(Config, again).

%% doc: the slot keeps what comes between two programs.
a_request_during_the_restart_is_answered_after_it(Config) ->
    Place = place(Config),
    Dying = pyport_case:async(Place, die_exit, ?CALL_MS),
    Callers = [{N, pyport_case:async(Place, {late, N}, ?CALL_MS)}
               || N <- lists:seq(1, 50)],
    {error, {context_died, Death}} = pyport_case:await(Dying),
    [case pyport_case:await(Caller) of
         {ok, {late, N}} -> ok;
         {error, {context_died, Death}} -> ok
     end || {N, Caller} <- Callers],
    {ok, again} = call(Config, again).

%% doc: a link that is gone is an error and no exception.
a_request_to_a_dead_link_has_no_process(Config) ->
    ok = pyport_hosts:stop_host(proplists:get_value(host, Config)),
    {error, {context_died, noproc}} = call(Config, late).

%% doc: what is not a run has its own answers.
control_messages_are_answered(Config) ->
    {Link, Number} = place(Config),
    {ok, pong} = pyport_link:control(Link, ping, none, ?CALL_MS),
    {ok, true} = pyport_link:control(Link, interrupt, Number, ?CALL_MS),
    {ok, #{rss_bytes := 7}} = pyport_link:control(Link, info, none, ?CALL_MS).

%% Internal.

place(Config) -> proplists:get_value(place, Config).

call(Config, Term) -> pyport_case:call(place(Config), Term, ?CALL_MS).

use_once(Place, Env) ->
    {Pid, Monitor} = spawn_monitor(fun() ->
        {ok, _} = pyport_case:call(Place, where, Env, ?CALL_MS)
    end),
    receive {'DOWN', Monitor, process, Pid, normal} -> ok end.

until_dropped(Place, Count, Times) when Times > 0 ->
    {ok, Seen} = pyport_case:call(Place, seen, ?CALL_MS),
    case length(binary:matches(Seen, <<"drop">>)) of
        Count -> ok;
        Less when Less < Count -> until_dropped(Place, Count, Times - 1)
    end.

%% A port that ends when the process does.
watch(OsPid) ->
    Tail = os:find_executable("tail"),
    Arguments = ["--pid=" ++ integer_to_list(OsPid), "-s", "0.1", "-f",
                 "/dev/null"],
    open_port({spawn_executable, Tail}, [exit_status, {args, Arguments}]).

watched(Port) ->
    receive {Port, {exit_status, 0}} -> ok
    after ?CALL_MS -> error(not_dead)
    end.

%% The link took so many requests; what it sends is in the order it took them.
until_held(Place, Count) ->
    Held = [<<"hold">> || _ <- lists:seq(1, Count)],
    Joined = iolist_to_binary(lists:join(" ", Held)),
    pyport_case:until_seen(Place, Joined, ?QUESTIONS_MAX).

until_answered(Place, Times) when Times > 0 ->
    case pyport_case:call(Place, more, ?CALL_MS) of
        {ok, more} -> ok;
        {error, {overloaded, _, _}} -> until_answered(Place, Times - 1)
    end.
