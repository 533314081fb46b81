%% A host against a fake program: how it starts, fails to start, opens
%% contexts, comes back and ends.
-module(pyport_host_SUITE).

-compile([export_all, nowarn_export_all]).

-define(CALL_MS, 10000).
-define(WAIT_MS, 20000).
-define(QUESTIONS_MAX, 1000).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    [a_missing_program_is_named,
     a_program_that_is_no_executable_is_named,
     a_program_that_ends_at_once_is_told_with_its_stderr,
     a_program_of_another_version_is_told_with_both_versions,
     a_program_that_breaks_the_protocol_at_once_is_told,
     a_program_that_writes_garbage_is_found_by_the_start_timeout,
     a_program_that_says_nothing_is_found_by_the_start_timeout,
     a_directory_that_is_none_is_named,
     a_directory_with_a_long_name_is_refused,
     nothing_stays_in_the_directory_for_temporary_files,
     setup_code_runs_again_after_a_restart_and_before_requests,
     setup_code_that_raises_fails_the_opening,
     the_owner_hears_that_setup_failed_after_a_restart,
     the_owner_hears_of_death_and_return,
     a_dead_owners_context_is_closed,
     an_isolated_host_has_one_context,
     an_isolated_host_ends_with_its_program,
     an_isolated_host_ends_with_its_context,
     an_isolated_host_ends_with_a_starter_that_opened_nothing,
     a_host_that_is_stopped_answers_context_destroyed,
     a_program_that_dies_young_again_and_again_is_paused,
     a_program_that_hangs_at_each_start_is_paused,
     setup_code_that_takes_long_to_crash_is_paused,
     a_shared_host_that_is_started_anew_tries_until_it_starts,
     info_tells_what_is_known].

init_per_testcase(Case, Config) ->
    ok = pyport_case:start(settings(Case)),
    Config.

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(a_directory_that_is_none_is_named) ->
    [{tmp_dir, code:which(?MODULE)}];
settings(a_directory_with_a_long_name_is_refused) ->
    [{tmp_dir, lists:duplicate(200, $x)}];
settings(Case)
  when Case =:= a_program_that_writes_garbage_is_found_by_the_start_timeout;
       Case =:= a_program_that_says_nothing_is_found_by_the_start_timeout ->
    [{start_timeout, 500}, {stderr, null}];
settings(_) ->
    [{stderr, null}].

%% doc: the path that was looked for is in the error.
a_missing_program_is_named(_) ->
    {error, {program_not_found, "/no/such/program"}} =
        pyport_case:host(#{program => "/no/such/program"}).

%% doc: a file that cannot be executed is no program.
a_program_that_is_no_executable_is_named(_) ->
    Beam = code:which(?MODULE),
    {error, {program_not_started, Beam, eacces}} =
        pyport_case:host(#{program => Beam}).

%% doc: the exit status and what it said.
a_program_that_ends_at_once_is_told_with_its_stderr(_) ->
    {error, {program_failed, 69, <<"no Python here">>}} = fake("exit").

%% doc: ours is 1.
a_program_of_another_version_is_told_with_both_versions(_) ->
    {error, {protocol_mismatch, 1, 2}} = fake("version").

%% doc: a torn packet instead of a hello.
a_program_that_breaks_the_protocol_at_once_is_told(_) ->
    {error, {program_failed, protocol_error, _}} = fake("torn").

%% doc: the port takes the text for a length and waits; we do not.
a_program_that_writes_garbage_is_found_by_the_start_timeout(_) ->
    {error, {start_timeout, 500}} = fake("garbage").

%% doc: no hello is no start.
a_program_that_says_nothing_is_found_by_the_start_timeout(_) ->
    {error, {start_timeout, 500}} = fake("silence").

%% doc: the directory and what the operating system said.
a_directory_that_is_none_is_named(_) ->
    Beam = code:which(?MODULE),
    {error, {tmp_dir, Beam, enotdir}} = pyport_case:host(#{}).

%% doc: the address of a unix socket is short.
a_directory_with_a_long_name_is_refused(_) ->
    Dir = lists:duplicate(200, $x),
    {error, {tmp_dir, Dir, enametoolong}} = pyport_case:host(#{}).

%% doc: the private directory goes as soon as both streams are connected.
nothing_stays_in_the_directory_for_temporary_files(_) ->
    {ok, Dir} = pyport_tmp:create(pyport_tmp:default()),
    {ok, Host} = pyport_case:host(#{tmp_dir => Dir}),
    ok = pyport_hosts:stop_host(Host),
    {ok, []} = file:list_dir(Dir),
    ok = file:del_dir(Dir).

%% doc: after a restart a context is as it was.
setup_code_runs_again_after_a_restart_and_before_requests(_) ->
    Host = pyport_case:host(),
    Options = #{setup => [<<"a = 1">>, <<"b = 2">>]},
    {ok, Link, 1} = pyport_host:open_context(Host, Options),
    Place = {Link, 1},
    {ok, <<"open exec-1 exec-1">>} = pyport_case:call(Place, seen, ?CALL_MS),
    {error, {context_died, _}} = pyport_case:call(Place, die_exit, ?CALL_MS),
    {ok, <<"open exec-1 exec-1">>} = pyport_case:call(Place, seen, ?CALL_MS).

%% doc: the error is that of Python, and the context is closed again.
setup_code_that_raises_fails_the_opening(_) ->
    Host = pyport_case:host(),
    {error, {'ValueError', "bad é"}} =
        pyport_host:open_context(Host, #{setup => [<<"raise">>]}),
    Place = pyport_case:context(Host),
    ok = pyport_case:until_seen(Place, <<"close">>, ?QUESTIONS_MAX).

%% doc: that context is gone for good, and the others are back.
the_owner_hears_that_setup_failed_after_a_restart(Config) ->
    Flag = flag(Config),
    {ok, Host} = pyport_case:host(#{env => #{"FAKE_IF" => Flag}}),
    {ok, Link, Number} =
        pyport_host:open_context(Host, #{setup => [<<"sometimes">>]}),
    ok = file:write_file(Flag, <<>>),
    {error, {context_died, Death}} =
        pyport_case:call({Link, Number}, die_exit, ?CALL_MS),
    {pyport_host, Host, {down, Death}} = next(),
    {pyport_host, Host, {closed, #{reason := {setup_failed, _}}}} = next(),
    ok = pyport_host:await(Host),
    #{contexts := 0} = pyport_host:info(Host).

%% doc: down with the death, up when its contexts are open again.
the_owner_hears_of_death_and_return(_) ->
    Host = pyport_case:host(),
    Place = pyport_case:context(Host),
    {error, {context_died, Death}} =
        pyport_case:call(Place, die_segv, ?CALL_MS),
    {pyport_host, Host, {down, Death}} = next(),
    {pyport_host, Host, up} = next().

%% doc: whatever killed the owner.
a_dead_owners_context_is_closed(_) ->
    Host = pyport_case:host(),
    Place = pyport_case:context(Host),
    {_, Monitor} = spawn_monitor(fun() ->
        {ok, _, 2} = pyport_host:open_context(Host, #{}),
        exit(kill)
    end),
    {'DOWN', Monitor, process, _, kill} = next(),
    ok = pyport_case:until_seen(Place, <<"close">>, ?QUESTIONS_MAX).

%% doc: context 0, the program's main thread.
an_isolated_host_has_one_context(_) ->
    {ok, Host} = isolated(),
    {ok, Link, 0} = pyport_host:open_context(Host, #{}),
    {error, in_use} = pyport_host:open_context(Host, #{}),
    {ok, hello} = pyport_case:call({Link, 0}, hello, ?CALL_MS).

%% doc: nothing of it stays.
an_isolated_host_ends_with_its_program(_) ->
    {ok, Host} = isolated(),
    {ok, Link, 0} = pyport_host:open_context(Host, #{}),
    Monitors = [monitor(process, Pid) || Pid <- [Host, Link]],
    {error, {context_died, Death}} =
        pyport_case:call({Link, 0}, die_segv, ?CALL_MS),
    {pyport_host, Host, {down, Death}} = until_notice(),
    [receive
         {'DOWN', Monitor, process, _, {shutdown, {context_died, Death}}} -> ok
     after ?WAIT_MS -> error(alive)
     end || Monitor <- Monitors],
    [] = pyport_hosts:all().

%% doc: a host of its own without a context is of no use.
an_isolated_host_ends_with_its_context(_) ->
    {ok, Host} = isolated(),
    {ok, Link, 0} = pyport_host:open_context(Host, #{}),
    Waiting = pyport_case:async({Link, 0}, hold, ?CALL_MS),
    ok = pyport_case:until_seen({Link, 0}, <<"hold">>, ?QUESTIONS_MAX),
    ok = pyport_host:close_context(Host, 0),
    {error, context_destroyed} = pyport_case:await(Waiting),
    ok = pyport_host:close_context(Host, 0).

%% doc: whoever dies between the two steps leaves nothing behind.
an_isolated_host_ends_with_a_starter_that_opened_nothing(_) ->
    {_, Monitor} = spawn_monitor(fun() -> exit(isolated()) end),
    {'DOWN', Monitor, process, _, {ok, Host}} = next(),
    Gone = monitor(process, Host),
    {'DOWN', Gone, process, Host, _} = next().

%% doc: in flight and opening alike.
a_host_that_is_stopped_answers_context_destroyed(_) ->
    Host = pyport_case:host(),
    Place = pyport_case:context(Host),
    Waiting = pyport_case:async(Place, hold, ?CALL_MS),
    ok = pyport_case:until_seen(Place, <<"hold">>, ?QUESTIONS_MAX),
    ok = pyport_hosts:stop_host(Host),
    {error, context_destroyed} = pyport_case:await(Waiting),
    {error, {context_died, noproc}} = pyport_host:open_context(Host, #{}).

%% doc: callers are not held while it pauses, and it comes back by itself.
a_program_that_dies_young_again_and_again_is_paused(_) ->
    Host = pyport_case:host(),
    Place = pyport_case:context(Host),
    ok = die_until_paused(Host, Place, 10),
    ok = until_up(Host),
    {ok, again} = pyport_case:call(Place, again, ?CALL_MS).

%% doc: however long it took, a start without a hello is no life.
a_program_that_hangs_at_each_start_is_paused(Config) ->
    Flag = flag(Config),
    Env = #{"FAKE_START" => "silence", "FAKE_IF" => Flag},
    {ok, Host} = pyport_case:host(#{env => Env, start_timeout => 2000}),
    Place = pyport_case:context(Host),
    ok = file:write_file(Flag, <<>>),
    {error, {context_died, _}} = pyport_case:call(Place, die_exit, ?CALL_MS),
    {error, {context_died, #{reason := link_closed}}} =
        pyport_case:call(Place, held, infinity),
    #{state := backoff} = pyport_host:info(Host).

%% doc: life begins when requests flow, not when the process starts.
setup_code_that_takes_long_to_crash_is_paused(Config) ->
    Flag = flag(Config),
    {ok, Host} = pyport_case:host(#{env => #{"FAKE_IF" => Flag}}),
    {ok, Link, Number} =
        pyport_host:open_context(Host, #{setup => [<<"die_slowly">>]}),
    ok = file:write_file(Flag, <<>>),
    {error, {context_died, _}} =
        pyport_case:call({Link, Number}, die_exit, ?CALL_MS),
    {error, {context_died, #{reason := {exit_status, 7}}}} =
        pyport_case:call({Link, Number}, held, infinity),
    #{state := backoff} = pyport_host:info(Host).

%% doc: nobody waits for that start, so nobody could be told of an error.
a_shared_host_that_is_started_anew_tries_until_it_starts(_) ->
    {ok, Dir} = pyport_tmp:create(pyport_tmp:default()),
    {ok, Settings} = pyport_config:check([{program, pyport_case:fake()},
                                          {tmp_dir, Dir}]),
    ok = pyport_hosts:start_shared(Settings),
    {ok, Host} = pyport_hosts:shared(),
    {Link, _} = pyport_case:context(Host),
    Monitor = monitor(process, Host),
    ok = until(fun() -> file:del_dir(Dir) end, ok, 500),
    true = exit(Link, kill),
    {'DOWN', Monitor, process, Host, _} = next(),
    true = until(fun() -> pyport_hosts:shared() =/= {ok, Host}
                              andalso pyport_hosts:all() =/= [] end, true, 500),
    {ok, Again} = pyport_hosts:shared(),
    backoff = until(fun() -> maps:get(state, pyport_host:info(Again)) end,
                    backoff, 500),
    {error, {context_died, #{reason := {not_started, {tmp_dir, _, enoent}}}}} =
        pyport_host:open_context(Again, #{}),
    ok = file:make_dir(Dir),
    ok = pyport_host:await(Again),
    {ok, here} = pyport_case:call(pyport_case:context(Again), here, ?CALL_MS),
    ok = until(fun() -> file:del_dir(Dir) end, ok, 500).

%% doc: what the host knows and what the program counts.
info_tells_what_is_known(_) ->
    Host = pyport_case:host(),
    {Link, _} = pyport_case:context(Host),
    true = is_process_alive(Link),
    #{state := up, kind := shared, contexts := 1, restarts := 0,
      version := <<"fake">>, rss_bytes := 7, os_pid := OsPid,
      uptime_ms := UptimeMs} = pyport_host:info(Host),
    true = is_integer(OsPid) andalso is_integer(UptimeMs).

%% Internal.

%% The name of a file that is not there yet.
flag(Config) ->
    filename:join(proplists:get_value(priv_dir, Config),
                  integer_to_list(erlang:unique_integer([positive]))).

fake(Fault) ->
    pyport_case:host(#{env => #{"FAKE_START" => Fault}}).

isolated() ->
    pyport_hosts:start_host(#{kind => isolated}).

next() ->
    receive Message -> Message after ?WAIT_MS -> error(no_message) end.

until_notice() ->
    receive
        {pyport_host, _, _} = Notice -> Notice
    after ?WAIT_MS -> error(no_notice)
    end.

%% Each pass is a death or an answer from the pause; the pauses grow.
die_until_paused(Host, Place, Times) when Times > 0 ->
    {error, {context_died, _}} = pyport_case:call(Place, die_exit, ?CALL_MS),
    case pyport_host:info(Host) of
        #{state := backoff} -> ok;
        #{state := _} -> die_until_paused(Host, Place, Times - 1)
    end.

%% There is a notice for each return; the last one counts.
until_up(Host) ->
    case pyport_host:info(Host) of
        #{state := up} ->
            ok;
        #{state := _} ->
            receive {pyport_host, Host, up} -> until_up(Host)
            after ?WAIT_MS -> error(not_up)
            end
    end.

%% What sends no event is asked for.
until(Ask, Answer, Times) when Times > 0 ->
    case Ask() of
        Answer ->
            Answer;
        _ ->
            Timer = erlang:start_timer(10, self(), again),
            receive {timeout, Timer, again} -> ok end,
            until(Ask, Answer, Times - 1)
    end.
