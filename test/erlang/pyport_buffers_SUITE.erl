%% The link's side of buffers: owners, credit, limits, ends; against a fake
%% program that notes what came and says what it is asked to.
-module(pyport_buffers_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [place/1, call/2, buffer/2, seen/1, until/2,
                           granted/3, waiting_writer/2, write_on/2, async/1,
                           alone/1, noise/1, signal/2, os_pid/1,
                           parked_writer/3]).

-define(CALL_MS, 10000).
-define(WAIT_MS, 10000).
-define(WINDOW, 65536).
-define(WIDE, (1 bsl 26)).
-define(QUESTIONS_MAX, 1000000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [a_buffer_of_a_dead_owner_is_dropped_behind_its_content,
     a_writer_waits_for_credit_and_says_so_until_it_comes,
     credit_wakes_those_whose_turn_it_is,
     a_refusal_wakes_the_writer_with_its_reason,
     a_close_wakes_the_writer,
     a_write_that_is_cut_short_by_a_death_ends_the_buffer,
     a_writer_killed_in_the_socket_ends_the_buffer,
     a_writer_killed_between_two_pieces_ends_the_buffer,
     a_writer_that_dies_after_its_write_leaves_the_buffer_open,
     too_many_waiting_writers_are_refused_and_leave_no_hole,
     a_writer_that_has_begun_is_not_refused,
     a_death_wakes_the_writer_and_ends_the_buffer,
     a_death_tells_a_writer_in_the_socket_why,
     a_death_tells_a_writer_that_is_about_to_wait_why,
     a_program_that_is_stopped_does_not_hold_its_writers,
     a_stopped_program_does_not_hold_a_lone_writer_that_waits,
     a_stopped_program_does_not_hold_a_lone_writer_in_the_socket,
     the_end_of_a_host_wakes_the_writer,
     a_limit_is_kept_exactly_by_many_writers,
     too_many_buffers_are_refused_until_one_is_forgotten,
     a_buffer_during_the_restart_is_made_after_it,
     too_many_buffers_during_the_start_are_refused,
     a_buffer_given_away_lives_with_its_new_owner].

init_per_testcase(Case, Config) ->
    pyport_lane_case:start(settings(Case), true, Config).

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(Case)
  when Case =:= too_many_buffers_are_refused_until_one_is_forgotten;
       Case =:= too_many_buffers_during_the_start_are_refused ->
    [{buffers_max, 3}, {stderr, null}, {stdout, null}];
settings(Case)
  when Case =:= a_program_that_is_stopped_does_not_hold_its_writers;
       Case =:= a_stopped_program_does_not_hold_a_lone_writer_that_waits;
       Case =:= a_stopped_program_does_not_hold_a_lone_writer_in_the_socket ->
    [{silence, 50}, {ping_timeout, 200}, {stderr, null}, {stdout, null}];
settings(_) ->
    [{stderr, null}, {stdout, null}].

%% owners

%% doc: the writer closes and dies at once; the drop must come last.
a_buffer_of_a_dead_owner_is_dropped_behind_its_content(Config) ->
    {Link, _} = place(Config),
    Write = fun(Bytes) ->
        alone(fun() ->
            {ok, Buffer} = pyport_buffer_new:new_at(Link, self(), #{}),
            ok = py_buffer:write(Buffer, noise(Bytes)),
            py_buffer:close(Buffer)
        end)
    end,
    ok = Write(10),
    ok = until(Config,
               <<"link-write-1-10 link-close-1-8 link-drop-1-0">>),
    ok = Write(100000),
    ok = until(Config,
               <<"lane-write-2-100000 lane-close-2-8 lane-drop-2-0">>).

%% credit

%% doc: no more than the window goes out, and the program hears of who waits.
a_writer_waits_for_credit_and_says_so_until_it_comes(Config) ->
    Buffer = buffer(Config, #{}),
    Data = noise(3 * ?WINDOW),
    Writer = async(fun() -> py_buffer:write(Buffer, Data) end),
    ok = until(Config, <<"lane-write-1-65536 link-wait-1-0 link-wait-1-0">>),
    ok = granted(Config, 1, 2 * ?WINDOW),
    ok = until(Config, <<"link-wait-1-0 lane-write-1-65536 link-wait-1-0">>),
    ok = granted(Config, 1, 4 * ?WINDOW),
    ok = pyport_case:await(Writer),
    until(Config, <<"link-wait-1-0 lane-write-1-65536">>).

%% doc: writers take their places in the stream when they come.
credit_wakes_those_whose_turn_it_is(Config) ->
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, noise(?WINDOW)),
    First = async(fun() -> py_buffer:write(Buffer, <<"first">>) end),
    ok = until(Config, <<"link-wait-1-0">>),
    Second = async(fun() -> py_buffer:write(Buffer, <<"seconds">>) end),
    ok = until(Config, <<"link-wait-1-0 link-wait-1-0">>),
    ok = granted(Config, 1, ?WINDOW + 5),
    ok = pyport_case:await(First),
    ok = until(Config, <<"lane-write-1-5">>),
    nomatch = binary:match(seen(Config), <<"lane-write-1-7">>),
    ok = granted(Config, 1, ?WINDOW + 12),
    ok = pyport_case:await(Second).

a_refusal_wakes_the_writer_with_its_reason(Config) ->
    [begin
         Buffer = buffer(Config, #{}),
         Number = integer_to_binary(pyport_cells:number(Buffer)),
         Writer = waiting_writer(Config, Buffer),
         Why1 = integer_to_binary(Why),
         {ok, _} = call(Config, <<"deny ", Number/binary, " ",
                                  Why1/binary>>),
         {error, Reason} = pyport_case:await(Writer),
         {error, Reason} = py_buffer:write(Buffer, <<"more">>)
     end || {Why, Reason} <- [{3, closed}, {4, no_space}, {5, too_large},
                              {6, too_many}]].

a_close_wakes_the_writer(Config) ->
    Buffer = buffer(Config, #{}),
    Writer = waiting_writer(Config, Buffer),
    ok = py_buffer:close(Buffer),
    {error, closed} = pyport_case:await(Writer).

%% doc: what it has taken a place for never comes, so the content is torn.
a_write_that_is_cut_short_by_a_death_ends_the_buffer(Config) ->
    Buffer = buffer(Config, #{}),
    {Pid, _} = waiting_writer(Config, Buffer),
    true = exit(Pid, kill),
    ok = until(Config, <<"lane-drop-1-0">>),
    {error, closed} = py_buffer:write(Buffer, <<"more">>).

%% doc: it waits for nothing that the link knows of.
a_writer_killed_in_the_socket_ends_the_buffer(Config) ->
    Buffer = buffer(Config, #{window => ?WIDE}),
    OsPid = os_pid(Config),
    {Pid, _} = parked_writer(Buffer, noise(1 bsl 24), OsPid),
    true = exit(Pid, kill),
    ok = signal("CONT", OsPid),
    ok = until(Config, <<"lane-drop-1-0">>),
    {error, closed} = py_buffer:write(Buffer, <<"more">>).

%% doc: it has got credit for the next piece and does not come to send it.
a_writer_killed_between_two_pieces_ends_the_buffer(Config) ->
    Buffer = buffer(Config, #{}),
    {Pid, _} = waiting_writer(Config, Buffer),
    true = erlang:suspend_process(Pid),
    ok = granted(Config, 1, 2 * ?WINDOW),
    true = exit(Pid, kill),
    ok = until(Config, <<"lane-drop-1-0">>),
    {error, closed} = py_buffer:write(Buffer, <<"more">>).

%% doc: although another one is in the midst of a write.
a_writer_that_dies_after_its_write_leaves_the_buffer_open(Config) ->
    {Link, _} = place(Config),
    Buffer = buffer(Config, #{}),
    Parent = self(),
    {Pid, _} = async(fun() ->
        Parent ! {self(), py_buffer:write(Buffer, noise(?WINDOW))},
        receive never -> ok end
    end),
    receive {Pid, Result} -> ok = Result end,
    Other = waiting_writer(Config, Buffer),
    true = exit(Pid, kill),
    ok = until_unknown(Link, Pid, ?QUESTIONS_MAX),
    ok = granted(Config, 1, 4 * ?WINDOW),
    ok = pyport_case:await(Other),
    ok = py_buffer:write(Buffer, <<"more">>).

until_unknown(Link, Pid, Times) when Times > 0 ->
    {dictionary, Known} = process_info(Link, dictionary),
    case lists:keymember(Pid, 1, Known) of
        true -> until_unknown(Link, Pid, Times - 1);
        false -> ok
    end.

too_many_waiting_writers_are_refused_and_leave_no_hole(Config) ->
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, noise(?WINDOW)),
    Write = fun() -> py_buffer:write(Buffer, <<"a">>) end,
    Writers = [async(Write) || _ <- lists:seq(1, 1025)],
    Refused = receive
                  {'DOWN', Monitor, process, Pid, {got, Result}} ->
                      {error, writer_limit} = Result,
                      {Pid, Monitor}
              after ?WAIT_MS -> error(no_limit)
              end,
    ok = granted(Config, 1, 2 * ?WINDOW),
    [ok = pyport_case:await(Writer) || Writer <- Writers, Writer =/= Refused],
    Whole = ?WINDOW + 1024,
    Whole = pyport_cells:sent(Buffer),
    ok = py_buffer:write(Buffer, <<"a">>).

%% doc: its place is not given to another one while it sends a piece.
a_writer_that_has_begun_is_not_refused(Config) ->
    {Link, _} = place(Config),
    Buffer = buffer(Config, #{}),
    {Pid, _} = First = waiting_writer(Config, Buffer),
    Write = fun() -> py_buffer:write(Buffer, <<"a">>) end,
    Others = [async(Write) || _ <- lists:seq(1, 1023)],
    ok = until_waiters(Link, 1024, ?QUESTIONS_MAX),
    true = erlang:suspend_process(Pid),
    ok = granted(Config, 1, ?WINDOW + 10),
    Last = async(Write),
    {error, writer_limit} = pyport_case:await(Last),
    true = erlang:resume_process(Pid),
    ok = granted(Config, 1, 3 * ?WINDOW),
    [ok = pyport_case:await(Each) || Each <- [First | Others]].

until_waiters(Link, Count, Times) when Times > 0 ->
    {dictionary, Known} = process_info(Link, dictionary),
    case length([Pid || {{waiter, Pid}, _} <- Known]) of
        Count -> ok;
        _ -> until_waiters(Link, Count, Times - 1)
    end.

a_death_wakes_the_writer_and_ends_the_buffer(Config) ->
    Buffer = buffer(Config, #{}),
    Writer = waiting_writer(Config, Buffer),
    {error, {context_died, Death}} = call(Config, die_segv),
    {error, {context_died, Death}} = pyport_case:await(Writer),
    {ok, again} = call(Config, again),
    {error, {context_died, noproc}} = py_buffer:write(Buffer, <<"more">>),
    {error, {context_died, noproc}} =
        py_buffer:give_away(Buffer, self()),
    #{state := context_died, written := 131072} = py_buffer:info(Buffer),
    ok = py_buffer:close(Buffer).

a_death_tells_a_writer_in_the_socket_why(Config) ->
    Buffer = buffer(Config, #{window => ?WIDE}),
    OsPid = os_pid(Config),
    Writer = parked_writer(Buffer, noise(1 bsl 24), OsPid),
    ok = signal("KILL", OsPid),
    {error, {context_died, #{reason := {signal, 9}}}} =
        pyport_case:await(Writer).

%% doc: the link hears of the death first and then of the writer.
a_death_tells_a_writer_that_is_about_to_wait_why(Config) ->
    {Link, _} = place(Config),
    Buffer = buffer(Config, #{}),
    Early = waiting_writer(Config, Buffer),
    true = erlang:suspend_process(Link),
    ok = signal("KILL", os_pid(Config)),
    ok = until_in_mailbox(Link, exit_status, ?QUESTIONS_MAX),
    Late = async(fun() -> py_buffer:write(Buffer, <<"late">>) end),
    ok = until_in_mailbox(Link, credit, ?QUESTIONS_MAX),
    true = erlang:resume_process(Link),
    {error, {context_died, Death}} = pyport_case:await(Early),
    {error, {context_died, Death}} = pyport_case:await(Late),
    #{reason := {signal, 9}} = Death.

until_in_mailbox(Link, What, Times) when Times > 0 ->
    {messages, Messages} = process_info(Link, messages),
    case [yes || {_, Message} <- Messages, is_tuple(Message),
                 element(1, Message) =:= What] of
        [] -> until_in_mailbox(Link, What, Times - 1);
        _ -> ok
    end.

%% doc: a writer that blocks in the socket is freed by the death, and the
%% link by its watch.
a_program_that_is_stopped_does_not_hold_its_writers(Config) ->
    Buffers = [buffer(Config, #{window => 1 bsl 26})
               || _ <- lists:seq(1, 4)],
    Stopped = pyport_case:async(place(Config), stop, ?CALL_MS),
    Data = noise(1 bsl 24),
    Writers = [async(fun() -> write_on(Each, Data) end) || Each <- Buffers],
    {error, {context_died, #{reason := link_closed}}} =
        pyport_case:await(Stopped),
    [{error, {context_died, _}} = pyport_case:await(W) || W <- Writers].

%% doc: no call is in flight that would have the program watched.
a_stopped_program_does_not_hold_a_lone_writer_that_waits(Config) ->
    Buffer = buffer(Config, #{}),
    Writer = waiting_writer(Config, Buffer),
    ok = signal("STOP", os_pid(Config)),
    {error, {context_died, #{reason := link_closed}}} =
        pyport_case:await(Writer).

a_stopped_program_does_not_hold_a_lone_writer_in_the_socket(Config) ->
    Buffer = buffer(Config, #{window => ?WIDE}),
    Writer = parked_writer(Buffer, noise(1 bsl 24), os_pid(Config)),
    {error, {context_died, #{reason := link_closed}}} =
        pyport_case:await(Writer).

the_end_of_a_host_wakes_the_writer(Config) ->
    Buffer = buffer(Config, #{}),
    Writer = waiting_writer(Config, Buffer),
    ok = pyport_hosts:stop_host(proplists:get_value(host, Config)),
    {error, context_destroyed} = pyport_case:await(Writer),
    {error, {context_died, noproc}} = py_buffer:write(Buffer, <<"more">>).

%% limits

%% doc: 40 processes, 25 places.
a_limit_is_kept_exactly_by_many_writers(Config) ->
    [begin
         Buffer = buffer(Config, Options),
         Writers = [async(fun() -> py_buffer:write(Buffer, <<"1234">>) end)
                    || _ <- lists:seq(1, 40)],
         Results = [pyport_case:await(Writer) || Writer <- Writers],
         25 = length([ok || ok <- Results]),
         15 = length([no || {error, too_large} <- Results]),
         {error, too_large} = py_buffer:write(Buffer, <<"1">>)
     end || Options <- [#{max_size => 100}, #{content_length => 100},
                        #{max_size => 101, content_length => 100}]].

too_many_buffers_are_refused_until_one_is_forgotten(Config) ->
    {Link, _} = place(Config),
    _ = [buffer(Config, #{}) || _ <- [1, 2, 3]],
    {error, {overloaded, 3, 3}} =
        pyport_buffer_new:new_at(Link, self(), #{}),
    {ok, _} = call(Config, <<"forget 2 0">>),
    Buffer = buffer(Config, #{}),
    4 = pyport_cells:number(Buffer).

%% life

a_buffer_during_the_restart_is_made_after_it(Config) ->
    {Link, _} = place(Config),
    Dying = pyport_case:async(place(Config), die_exit, ?CALL_MS),
    Makers = [async(fun() ->
                  {ok, Buffer} = pyport_buffer_new:new_at(Link, self(), #{}),
                  py_buffer:write(Buffer, <<"a">>)
              end) || _ <- lists:seq(1, 50)],
    {error, {context_died, _}} = pyport_case:await(Dying),
    [case pyport_case:await(Maker) of
         ok -> ok;
         {error, {context_died, _}} -> ok
     end || Maker <- Makers],
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, <<"a">>).

%% doc: a link whose program was never started keeps so many.
too_many_buffers_during_the_start_are_refused(_) ->
    {ok, Config} = pyport_config:check([]),
    {ok, Link} = pyport_link:start_link(
                   Config#{stdio => self(), backlog => atomics:new(2, []),
                           buffers_max => 3, channels_max => 3}),
    Make = fun() -> pyport_buffer_new:new_at(Link, self(), #{}) end,
    Makers = [async(Make) || _ <- lists:seq(1, 5)],
    Refused = [receive {'DOWN', Monitor, process, Pid, {got, Answer}} ->
                   {error, {overloaded, 3, 3}} = Answer,
                   {Pid, Monitor}
               after ?WAIT_MS -> error(no_limit)
               end || _ <- [1, 2]],
    true = unlink(Link),
    ok = pyport_link:stop(Link, shutdown),
    [{error, context_destroyed} = pyport_case:await(Each)
     || Each <- Makers -- Refused],
    [] = pyport_lanes:purge(Link).

a_buffer_given_away_lives_with_its_new_owner(Config) ->
    Buffer = buffer(Config, #{}),
    Parent = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        receive {Parent, stop} -> ok end
    end),
    {error, not_owner} =
        alone(fun() -> py_buffer:give_away(Buffer, self()) end),
    ok = py_buffer:give_away(Buffer, Owner),
    {error, not_owner} = py_buffer:give_away(Buffer, self()),
    ok = py_buffer:write(Buffer, <<"a">>),
    Owner ! {Parent, stop},
    receive {'DOWN', Monitor, process, Owner, normal} -> ok end,
    ok = until(Config, <<"link-write-1-1 link-drop-1-0">>),
    {error, closed} = py_buffer:write(Buffer, <<"a">>).
