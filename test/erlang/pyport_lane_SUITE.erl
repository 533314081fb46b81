%% The two lanes, against a fake program that notes what came on which.
-module(pyport_lane_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [place/1, call/2, buffer/2, new_bytes/1, seen/1,
                           runs/1, words/1, until/2, is_suffix/2, alone/1,
                           noise/1]).

-define(CALL_MS, 10000).
-define(WAIT_MS, 10000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [a_large_call_and_its_answer_take_the_bulk_lane,
     the_halves_of_an_answer_may_come_in_any_order,
     many_large_calls_get_their_own_answers,
     an_answer_right_behind_the_name_of_the_lane_is_not_lost,
     a_small_call_stays_on_the_link,
     without_a_threshold_there_is_no_bulk_lane,
     a_large_call_too_many_is_refused,
     a_large_call_is_cancelled_on_its_lane,
     a_large_call_that_is_late_is_cancelled_on_its_lane,
     a_crash_answers_a_large_call_in_flight,
     garbage_on_the_bulk_lane_is_a_protocol_error,
     a_stranger_is_not_taken_for_the_program,
     a_killed_link_leaves_no_row,
     what_one_process_writes_and_calls_stays_in_order,
     an_answer_frees_the_process_for_the_link,
     a_close_follows_the_content_on_its_lane,
     a_large_call_waits_for_the_buffers_of_others,
     a_writer_of_small_buffers_comes_back_to_the_link,
     writers_that_live_shortly_are_held_together,
     what_was_cast_and_read_is_not_counted,
     what_was_cast_to_a_dead_program_is_not_counted,
     a_process_keeps_nothing_of_links_that_ended,
     a_caller_that_dies_in_a_barrier_leaves_nothing,
     a_deadline_is_kept_while_the_call_waits_for_the_lane,
     the_wait_for_the_lane_is_part_of_the_time].

init_per_testcase(Case, Config) ->
    IsThere = Case =/= without_a_threshold_there_is_no_bulk_lane,
    pyport_lane_case:start(settings(Case), IsThere, Config).

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(without_a_threshold_there_is_no_bulk_lane) ->
    [{bulk_threshold, 0}, {stderr, null}, {stdout, null}];
settings(a_large_call_too_many_is_refused) ->
    [{queue_bytes_max, 1 bsl 18}, {stderr, null}, {stdout, null}];
settings(Case)
  when Case =:= writers_that_live_shortly_are_held_together;
       Case =:= what_was_cast_to_a_dead_program_is_not_counted ->
    %% The only PINGs are those of writers.
    [{silence, 60000}, {stderr, null}, {stdout, null}];
settings(a_deadline_is_kept_while_the_call_waits_for_the_lane) ->
    [{silence, 50}, {ping_timeout, 30000}, {stderr, null}, {stdout, null}];
settings(_) ->
    [{stderr, null}, {stdout, null}].

%% calls

%% doc: both directions, and the bytes are the same.
a_large_call_and_its_answer_take_the_bulk_lane(Config) ->
    [begin
         Term = {echo, noise(Bytes)},
         {ok, Term} = call(Config, Term)
     end || Bytes <- [100000, 1 bsl 20, 20 bsl 20]],
    <<"lane-run lane-run lane-run">> = runs(Config).

%% doc: the place on the link and the bytes on the lane race.
the_halves_of_an_answer_may_come_in_any_order(Config) ->
    Term = {place_last, noise(100000)},
    [{ok, Term} = call(Config, Term) || _ <- lists:seq(1, 20)],
    ok.

%% doc: answers on the lane are told apart by their ids.
many_large_calls_get_their_own_answers(Config) ->
    Terms = [{N, noise(100000 + N)} || N <- lists:seq(1, 50)],
    Callers = [{Term, pyport_case:async(place(Config), Term, ?CALL_MS)}
               || Term <- Terms],
    [{ok, Term} = pyport_case:await(Caller) || {Term, Caller} <- Callers],
    Runs = words([<<"lane-run">> || _ <- Terms]),
    Runs = runs(Config).

%% doc: the program answers on the lane before the link has it.
an_answer_right_behind_the_name_of_the_lane_is_not_lost(_) ->
    Parent = self(),
    Options = #{host => self(), backlog => atomics:new(2, []),
                tmp_dir => pyport_tmp:default(), stdout => null,
                stderr => null, output_lines_per_s => 1000},
    {ok, Stdio} = pyport_stdio:start_link(Options),
    Link = spawn_link(fun() ->
        receive {bulk_lane, {Path, Socket}} ->
            ok = inet:setopts(Socket, [{packet, 4}, {active, true}]),
            receive {tcp, Socket, Packet} -> Parent ! {Path, Packet} end
        end
    end),
    {ok, Path} = pyport_stdio:listen(Stdio, Link),
    {ok, Program} = gen_tcp:connect({local, Path}, 0, [binary]),
    ok = gen_tcp:send(Program, <<3, 5:32, "first", 6:32, "second">>),
    receive {Path, <<"first">>} -> ok after ?CALL_MS -> error(lost) end,
    true = unlink(Stdio),
    pyport_stdio:stop(Stdio).

a_small_call_stays_on_the_link(Config) ->
    {ok, small} = call(Config, small),
    <<>> = runs(Config).

%% doc: 0 is never.
without_a_threshold_there_is_no_bulk_lane(Config) ->
    Term = {echo, noise(1 bsl 20)},
    {ok, Term} = call(Config, Term),
    Buffer = buffer(Config, #{window => 1 bsl 20}),
    ok = py_buffer:write(Buffer, noise(1 bsl 20)),
    ok = py_buffer:close(Buffer),
    %% A barrier after each quarter of a megabyte that nothing else held.
    Piece = <<"link-write-1-131072">>,
    Held = [Piece, Piece, Piece, <<"ping">>],
    Expected = words([<<"link-new-1-", (new_bytes(Buffer))/binary>>]
                     ++ Held ++ Held
                     ++ [Piece, Piece, <<"link-close-1-8">>, <<"ping">>]),
    Expected = seen(Config).

%% doc: the bytes of both lanes are counted together.
a_large_call_too_many_is_refused(Config) ->
    {error, {overloaded, 0, 262144}} = call(Config, noise(300000)),
    Term = noise(200000),
    {ok, Term} = call(Config, Term).

%% doc: a CANCEL must not overtake its request.
a_large_call_is_cancelled_on_its_lane(Config) ->
    {Pid, _} = pyport_case:async(place(Config), {hold, noise(100000)},
                                 infinity),
    ok = until(Config, <<"lane-run hold">>),
    true = exit(Pid, kill),
    ok = until(Config, <<"lane-run hold lane-cancel">>).

%% doc: the link answers where the program does not.
a_large_call_that_is_late_is_cancelled_on_its_lane(Config) ->
    {error, timeout} =
        pyport_case:call(place(Config), {hold, noise(100000)}, 10),
    ok = until(Config, <<"lane-cancel">>).

a_crash_answers_a_large_call_in_flight(Config) ->
    {error, {context_died, #{reason := {signal, 11}}}} =
        call(Config, {die_segv, noise(1 bsl 20)}),
    Term = {echo, noise(1 bsl 20)},
    {ok, Term} = call(Config, Term).

garbage_on_the_bulk_lane_is_a_protocol_error(Config) ->
    {error, {context_died, #{reason := protocol_error}}} =
        call(Config, garbage_lane),
    {ok, again} = call(Config, again).

%% doc: a socket of a path that is not this program's, or not ours, is
%% closed.
a_stranger_is_not_taken_for_the_program(Config) ->
    {Link, _} = place(Config),
    {ok, Dir} = pyport_tmp:create(pyport_tmp:default()),
    Path = filename:join(Dir, "s"),
    {ok, Listener} = gen_tcp:listen(0, [{ifaddr, {local, Path}}, binary,
                                        {active, false}]),
    [begin
         {ok, Peer} = gen_tcp:connect({local, Path}, 0,
                                      [binary, {active, false}]),
         {ok, Socket} = gen_tcp:accept(Listener),
         ok = pyport_bulk:hand_over(Socket, door(Uid, Link, Path)),
         {error, closed} = gen_tcp:recv(Peer, 0, ?WAIT_MS)
     end || Uid <- [ours, theirs, none]],
    ok = pyport_tmp:remove({Dir, ["s"]}),
    Term = {echo, noise(1 bsl 20)},
    {ok, Term} = call(Config, Term),
    <<"lane-run">> = runs(Config).

%% doc: the handles of its buffers lead nowhere.
a_killed_link_leaves_no_row(Config) ->
    {Link, _} = place(Config),
    Buffer = buffer(Config, #{}),
    {Link, _} = pyport_lanes:find(pyport_cells:key(Buffer)),
    Host = monitor(process, proplists:get_value(host, Config)),
    ok = py_case:kill(Link),
    _ = py_case:down(Host),
    {error, {context_died, noproc}} = py_buffer:write(Buffer, <<"a">>).

%% order

%% doc: small, large, small, close, call: as if there were one lane.
what_one_process_writes_and_calls_stays_in_order(Config) ->
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, <<"small">>),
    ok = py_buffer:write(Buffer, noise(20000)),
    ok = py_buffer:write(Buffer, <<"tiny">>),
    Other = buffer(Config, #{}),
    ok = py_buffer:write(Other, <<"b">>),
    ok = py_buffer:close(Buffer),
    {ok, small} = call(Config, small),
    Expected = words([<<"link-new-1-", (new_bytes(Buffer))/binary>>,
                      <<"link-write-1-5">>, <<"ping">>,
                      <<"lane-write-1-20000">>, <<"lane-write-1-4">>,
                      <<"link-new-2-", (new_bytes(Other))/binary>>,
                      <<"ping">>, <<"lane-write-2-1">>, <<"lane-close-1-8">>,
                      <<"lane-run">>]),
    Expected = seen(Config).

%% doc: the lane is left when nothing can be on it any more.
an_answer_frees_the_process_for_the_link(Config) ->
    Large = buffer(Config, #{}),
    Small = buffer(Config, #{}),
    ok = py_buffer:write(Large, noise(20000)),
    {ok, small} = call(Config, small),
    ok = py_buffer:write(Small, <<"s">>),
    ok = py_buffer:write(Large, <<"l">>),
    Seen = seen(Config),
    true = is_suffix(<<"lane-run link-write-2-1 ping lane-write-1-1 lane-run">>,
                     Seen).

%% doc: a buffer stays on the lane that it was moved to, for everybody.
a_close_follows_the_content_on_its_lane(Config) ->
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, noise(20000)),
    ok = alone(fun() -> py_buffer:close(Buffer) end),
    ok = py_buffer:close(Buffer),
    {error, closed} = py_buffer:write(Buffer, <<"late">>),
    true = is_suffix(<<"lane-write-1-20000 lane-close-1-8 lane-run">>,
                     seen(Config)).

%% doc: a reference that came from another process names a buffer that the
%% program has already made when the call comes on the other lane.
a_large_call_waits_for_the_buffers_of_others(Config) ->
    Place = place(Config),
    Buffer = buffer(Config, #{}),
    Caller = pyport_case:async(Place, {Buffer, noise(100000)}, ?CALL_MS),
    {ok, {Buffer, _}} = pyport_case:await(Caller),
    Expected = words([<<"link-new-1-", (new_bytes(Buffer))/binary>>,
                      <<"ping">>, <<"lane-run">>]),
    Expected = seen(Config),
    {ok, _} = call(Config, {again, noise(100000)}),
    Again = <<Expected/binary, " lane-run">>,
    Again = seen(Config).

%% doc: after one large write each small buffer costs a barrier, but not for
%% ever.
a_writer_of_small_buffers_comes_back_to_the_link(Config) ->
    Large = buffer(Config, #{}),
    ok = py_buffer:write(Large, noise(20000)),
    Small = [buffer(Config, #{}) || _ <- lists:seq(1, 12)],
    [ok = py_buffer:write(Each, <<"s">>) || Each <- Small],
    On = fun(Lane, Numbers) ->
        [<<Lane/binary, "-write-", (integer_to_binary(N))/binary, "-1">>
         || N <- Numbers]
    end,
    Moved = [[<<"ping">>, Write] || Write <- On(<<"lane">>,
                                                lists:seq(2, 9))],
    Expected = words(lists:append(Moved) ++ [<<"ping">>]
                     ++ On(<<"link">>, lists:seq(10, 13))),
    true = is_suffix(Expected, seen(Config)).

%% bounds

%% doc: none of them casts so much that it would be held alone; each 8 MiB
%% together wait once.
writers_that_live_shortly_are_held_together(Config) ->
    [begin
         ok = cast_much(Config),
         Pings = lists:duplicate(Round, <<"ping">>),
         Pings = pings(Config)
     end || Round <- [1, 2, 3]],
    ok.

%% doc: neither what it had read but not answered, nor what came too late.
what_was_cast_and_read_is_not_counted(Config) ->
    {Link, _} = place(Config),
    Casts = pyport_lanes:casts(Link),
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, noise(100)),
    ok = py_buffer:close(Buffer),
    {ok, pong} = pyport_link:control(Link, ping, none, infinity),
    0 = pyport_lanes:count_up(Casts, 0) - pyport_lanes:weight(0).

what_was_cast_to_a_dead_program_is_not_counted(Config) ->
    {Link, _} = place(Config),
    Casts = pyport_lanes:casts(Link),
    Buffer = buffer(Config, #{}),
    ok = alone(fun() -> py_buffer:write(Buffer, noise(10000)) end),
    {ok, _} = call(Config, small),
    true = pyport_lanes:count_up(Casts, 0) > 10000,
    {error, {context_died, _}} = call(Config, die_exit),
    {ok, _} = call(Config, small),
    Before = pyport_lanes:count_up(Casts, 0),
    Entry = pyport_wire:buffer(buffer_write, 1, noise(1000)),
    _ = pyport_lanes:count_up(Casts, 1013),
    Link ! {buffer_write, pyport_cells:key(Buffer), Entry, 1013},
    {ok, _} = call(Config, small),
    Weight = pyport_lanes:weight(0),
    Weight = Before - Weight,
    Weight = pyport_lanes:count_up(Casts, 0) - Before.

%% doc: neither the state nor its key.
a_process_keeps_nothing_of_links_that_ended(Config) ->
    Known = get(),
    ok = write_and_call(place(Config)),
    Known = get(),
    [begin
         Host = pyport_case:host(),
         {Link, _} = Place = pyport_case:context(Host),
         {ok, Buffer} = pyport_buffer_new:new_at(Link, self(), #{}),
         ok = py_buffer:write(Buffer, <<"a">>),
         ok = pyport_hosts:stop_host(Host),
         {error, _} = pyport_case:call(Place, small, ?CALL_MS)
     end || _ <- [1, 2, 3]],
    ok = write_and_call(place(Config)),
    Known = get().

%% doc: between the grant and the PING.
a_caller_that_dies_in_a_barrier_leaves_nothing(Config) ->
    {Link, _} = place(Config),
    Before = in_flight(Link),
    _ = [ok = alone(fun() ->
             Ref = make_ref(),
             Link ! {sync_lane, self(), Ref},
             receive {Ref, bulk, _, _} -> ok end
         end) || _ <- lists:seq(1, 10)],
    ok = until_in_flight(Link, Before, 100000),
    {ok, small} = call(Config, small),
    nomatch = binary:match(seen(Config), <<"cancel">>),
    ok.

%% doc: nothing can be granted any more; the link keeps the deadline.
a_deadline_is_kept_while_the_call_waits_for_the_lane(Config) ->
    {error, timeout} = pyport_case:call(place(Config), hang, 10),
    _ = buffer(Config, #{}),
    Large = {late, noise(100000)},
    {error, timeout} = pyport_case:call(place(Config), Large, 10),
    {error, timeout} = pyport_case:call(place(Config), Large, 10).

%% doc: the program learns what is left of the time.
the_wait_for_the_lane_is_part_of_the_time(Config) ->
    #{os_pid := OsPid} = pyport_host:info(proplists:get_value(host, Config)),
    {Link, _} = place(Config),
    _ = buffer(Config, #{}),
    ok = signal("STOP", OsPid),
    Before = in_flight(Link),
    Call = pyport_case:async(place(Config), {where, noise(100000)}, 5000),
    ok = until_in_flight(Link, Before + 1, 100000),
    ok = elapse(50),
    ok = signal("CONT", OsPid),
    {ok, Where} = pyport_case:await(Call),
    [_, <<"0">>, Left] = string:lexemes(Where, " "),
    true = binary_to_integer(Left) =< 4950.

%% Internal.

%% More than 8 MiB over the link, less than 16, by 100 processes.
cast_much(Config) ->
    {Link, _} = place(Config),
    Data = noise(8192),
    _ = [ok = alone(fun() ->
             {ok, Buffer} = pyport_buffer_new:new_at(Link, self(), #{}),
             _ = [ok = py_buffer:write(Buffer, Data)
                  || _ <- lists:seq(1, 12)],
             ok
         end) || _ <- lists:seq(1, 90)],
    ok.

pings(Config) ->
    [Word || <<"ping">> = Word <- string:lexemes(seen(Config), " ")].

write_and_call({Link, _} = Place) ->
    {ok, Buffer} = pyport_buffer_new:new_at(Link, self(), #{}),
    ok = py_buffer:write(Buffer, <<"a">>),
    {ok, small} = pyport_case:call(Place, small, ?CALL_MS),
    ok.

in_flight(Link) ->
    {dictionary, Known} = process_info(Link, dictionary),
    length([Id || {Id, _} <- Known, is_integer(Id)]).

until_in_flight(Link, Count, Times) when Times > 0 ->
    case in_flight(Link) of
        Count -> ok;
        _ -> until_in_flight(Link, Count, Times - 1)
    end.

signal(Name, OsPid) ->
    [] = os:cmd(io_lib:format("kill -~s ~b", [Name, OsPid])),
    ok.

%% Lets so much time pass, and waits for nothing.
elapse(Ms) ->
    receive after Ms -> ok end.

door(ours, Link, Path) -> pyport_bulk:door(Link, Path);
door(theirs, Link, Path) ->
    {Link, Path, Uid} = pyport_bulk:door(Link, Path),
    {Link, Path, Uid + 1};
door(none, _, Path) -> pyport_bulk:door(none, Path).
