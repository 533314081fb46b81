%% Channels whose senders, receivers and closers are killed on the way, give
%% up, or are many; whose link is killed. Against the fake program.
-module(pyport_channel_faults_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [place/1, seen/1, until/2, async/1, noise/1,
                           signal/2, os_pid/1]).
-import(pyport_channel_case, [channel/2, byte_channel/2, utter/2, message/2,
                              waiting/2]).

-define(NONE, <<"18446744073709551615">>).
-define(MB, (1 bsl 20)).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [one_with_no_time_leaves_nothing_with_the_link,
     one_who_gives_up_waits_no_more,
     one_who_was_woken_and_killed_leaves_room_to_the_next,
     one_who_was_woken_and_gives_up_leaves_room_to_the_next,
     one_who_was_woken_for_nothing_keeps_its_turn,
     many_who_give_up_cost_little,
     a_large_sender_that_was_killed_gives_its_place_back,
     the_place_of_one_who_lives_is_not_given_back,
     a_large_sender_that_was_killed_holds_no_end,
     an_end_waits_for_large_senders_that_live,
     an_end_that_was_half_done_is_completed,
     an_empty_message_does_not_wait_for_one_that_was_killed,
     a_link_that_was_killed_ends_its_channels].

init_per_testcase(_, Config) ->
    Settings = [{silence, 60000}, {stderr, null}, {stdout, null}],
    pyport_lane_case:start(Settings, true, Config).

end_per_testcase(_, _) ->
    pyport_case:stop().

%% room

one_with_no_time_leaves_nothing_with_the_link(Config) ->
    Channel = full(Config),
    {Link, _} = place(Config),
    busy = py_channel:send(Channel, 2),
    {message_queue_len, Before} = stopped(Link),
    [{error, timeout} = py_channel:send(Channel, 2, 0)
     || _ <- lists:seq(1, 1000)],
    {message_queue_len, After} = process_info(Link, message_queue_len),
    true = erlang:resume_process(Link),
    %% but for questions to the program, each 10 ms
    true = After - Before < 900.

stopped(Link) ->
    true = erlang:suspend_process(Link),
    process_info(Link, message_queue_len).

%% doc: the link has forgotten who got the answer.
one_who_gives_up_waits_no_more(Config) ->
    Channel = full(Config),
    {Link, _} = place(Config),
    Test = self(),
    Sender = async(fun() ->
        {error, timeout} = py_channel:send(Channel, 2, 1),
        Test ! {dictionary, process_info(Link, dictionary)},
        ok
    end),
    ok = pyport_case:await(Sender),
    {dictionary, Dictionary} = pyport_channel_case:got(dictionary),
    false = lists:keymember({at_channel, element(1, Sender)}, 1, Dictionary).

one_who_was_woken_and_killed_leaves_room_to_the_next(Config) ->
    Channel = full(Config),
    Woken = waiting(Config, fun() -> py_channel:send(Channel, 2, infinity) end),
    Next = waiting(Config, fun() -> py_channel:send(Channel, 3, infinity) end),
    true = erlang:suspend_process(element(1, Woken)),
    ok = utter(Config, [{channel, 1, {credit, 3}}]),
    true = exit(element(1, Woken), kill),
    ok = pyport_case:await(Next),
    2 = sends(Config).

%% doc: it gives up only when it hears of that, and by then it was woken.
one_who_was_woken_and_gives_up_leaves_room_to_the_next(Config) ->
    Channel = full(Config),
    {Link, _} = place(Config),
    Number = pyport_channel_cells:number(Channel),
    Reply = make_ref(),
    Room = {channel, {room, Number, {self(), Reply, 3}}},
    Link ! Room,
    ok = pyport_channel_case:until_waiting(Link, self()),
    Next = waiting(Config, fun() -> py_channel:send(Channel, 3, infinity) end),
    ok = utter(Config, [{channel, 1, {credit, 3}}]),
    Link ! {channel, {done, Number, self()}},
    ok = pyport_case:await(Next),
    2 = sends(Config).

%% doc: others take the room before the one that was woken for it.
one_who_was_woken_for_nothing_keeps_its_turn(Config) ->
    Channel = full(Config),
    First = waiting(Config, fun() -> py_channel:send(Channel, 2, infinity) end),
    Second = waiting(Config, fun() -> py_channel:send(Channel, 3,
                                                      infinity) end),
    true = erlang:suspend_process(element(1, First)),
    ok = utter(Config, [{channel, 1, {credit, 3}}]),
    ok = py_channel:send(Channel, 9),
    true = erlang:resume_process(element(1, First)),
    {Link, _} = place(Config),
    ok = pyport_channel_case:until_waiting(Link, element(1, First)),
    ok = utter(Config, [{channel, 1, {credit, 6}}]),
    ok = pyport_case:await(First),
    ok = utter(Config, [{channel, 1, {credit, 9}}]),
    ok = pyport_case:await(Second),
    4 = sends(Config).

%% doc: half of a second for what took six; no bound that the machine's load
%% could break.
many_who_give_up_cost_little(Config) ->
    Channel = channel(Config, #{}),
    {Link, _} = place(Config),
    Number = pyport_channel_cells:number(Channel),
    Cost = fun(Count) ->
        Pids = [spawn(fun() -> receive stop -> ok end end)
                || _ <- lists:seq(1, Count)],
        Receivers = [{Pid, make_ref()} || Pid <- Pids],
        _ = [Link ! {channel, {next, Number, Each}} || Each <- Receivers],
        {ok, _} = pyport_link:control(Link, info, none, infinity),
        {reductions, Before} = process_info(Link, reductions),
        %% the last one first
        _ = [Link ! {channel, {cancel, Number, Each}}
             || Each <- lists:reverse(Receivers)],
        {ok, _} = pyport_link:control(Link, info, none, infinity),
        {reductions, After} = process_info(Link, reductions),
        _ = [Pid ! stop || Pid <- Pids],
        After - Before
    end,
    Few = Cost(500),
    Many = Cost(5000),
    true = Many < 40 * Few.

%% large messages

a_large_sender_that_was_killed_gives_its_place_back(Config) ->
    Channel = byte_channel(Config, #{max_size => 32 * ?MB}),
    [{Killed, _}] = parked(Config, Channel, 1),
    {error, timeout} = py_byte_channel:send(Channel, noise(8 * ?MB), 1),
    true = exit(Killed, kill),
    ok = signal("CONT", os_pid(Config)),
    ok = py_byte_channel:send(Channel, noise(8 * ?MB), infinity),
    %% and not more than that
    busy = py_byte_channel:send(Channel, noise(1)),
    4 = sends(Config).

%% doc: it waits beside the one that is killed.
the_place_of_one_who_lives_is_not_given_back(Config) ->
    Channel = byte_channel(Config, #{max_size => 40 * ?MB}),
    [{Killed, _}, Living] = parked(Config, Channel, 2),
    true = exit(Killed, kill),
    ok = signal("CONT", os_pid(Config)),
    ok = pyport_case:await(Living),
    ok = py_byte_channel:send(Channel, noise(8 * ?MB), infinity),
    busy = py_byte_channel:send(Channel, noise(1)),
    5 = sends(Config).

a_large_sender_that_was_killed_holds_no_end(Config) ->
    Channel = byte_channel(Config, #{}),
    [{Killed, _}] = parked(Config, Channel, 1),
    true = exit(Killed, kill),
    ok = py_byte_channel:close(Channel),
    ok = signal("CONT", os_pid(Config)),
    until(Config, <<"link-cclose-1-", ?NONE/binary>>).

%% doc: so long as one of them lives nothing is given up.
an_end_waits_for_large_senders_that_live(Config) ->
    Channel = byte_channel(Config, #{}),
    [{Killed, _}, Living] = parked(Config, Channel, 2),
    ok = py_byte_channel:close(Channel),
    {Link, _} = place(Config),
    Link ! {channel, {closed_long, 1}},
    true = exit(Killed, kill),
    ok = signal("CONT", os_pid(Config)),
    ok = pyport_case:await(Living),
    ok = until(Config, <<"link-cclose-1-", ?NONE/binary>>),
    Seen = seen(Config),
    {Sent, _} = binary:match(Seen, <<"lane-csend-1-8388608">>),
    {End, _} = binary:match(Seen, <<"link-cclose-1-", ?NONE/binary>>),
    true = Sent < End.

%% The program is stopped, its socket full, and so is what the port of it
%% keeps: so many senders have their places and cannot begin.
parked(Config, Channel, Count) ->
    ok = py_byte_channel:send(Channel, noise(20000)),
    ok = signal("STOP", os_pid(Config)),
    ok = py_byte_channel:send(Channel, noise(16 * ?MB - 20000)),
    _ = large_sender(Channel, 16 * ?MB, waiting),
    [large_sender(Channel, (16 + N * 8) * ?MB, suspended)
     || N <- lists:seq(1, Count)].

%% Until its process is in this state behind so many bytes.
large_sender(Channel, Before, Status) ->
    Data = noise(8 * ?MB),
    {Pid, _} = Sender = async(fun() -> py_byte_channel:send(Channel, Data) end),
    ok = until_sent(Channel, Before + 8 * ?MB),
    ok = until_status(Pid, Status),
    Sender.

until_sent(Channel, Bytes) ->
    case pyport_channel_cells:sent(Channel) of
        Bytes -> ok;
        _ -> until_sent(Channel, Bytes)
    end.

until_status(Pid, Status) ->
    case process_info(Pid, status) of
        {status, Status} -> ok;
        _ -> until_status(Pid, Status)
    end.

%% ends

%% doc: as if the one who closed had been killed between its two steps.
an_end_that_was_half_done_is_completed(Config) ->
    Channel = channel(Config, #{}),
    ok = py_channel:send(Channel, 1),
    _ = pyport_channel_cells:close_sending(Channel),
    ok = py_channel:close(Channel),
    ok = py_channel:close(Channel),
    ok = until(Config, <<"link-csend-1-3 link-cclose-1-3">>),
    ok = utter(Config, [{channel, 1, {closed, erlang}}]),
    1 = length(binary:matches(seen(Config), <<"link-cclose-1-3">>)).

%% doc: it was counted as sent, and not as empty.
an_empty_message_does_not_wait_for_one_that_was_killed(Config) ->
    Channel = byte_channel(Config, #{max_size => 3}),
    ok = py_byte_channel:send(Channel, <<"abc">>),
    Sent = 3,
    ok = atomics:add(Channel, Sent, 1),
    ok = pyport_case:await(async(fun() ->
        py_byte_channel:send(Channel, <<>>)
    end)),
    until(Config, <<"link-csend-1-3 link-csend-1-0">>).

a_link_that_was_killed_ends_its_channels(Config) ->
    Channel = channel(Config, #{}),
    Received = channel(Config, #{}),
    {Link, _} = place(Config),
    Host = proplists:get_value(host, Config),
    Monitor = monitor(process, Host),
    ok = utter(Config, [message(2, N) || N <- lists:seq(1, 70)]),
    Receiver = waiting(Config, fun() -> py_channel:recv(Channel) end),
    {ok, 1} = py_channel:recv(Received),
    ok = py_channel:send(Channel, 1),
    true = exit(Link, kill),
    receive {'DOWN', Monitor, process, Host, _} -> ok end,
    {error, closed} = pyport_case:await(Receiver),
    [{error, closed} = Do()
     || Do <- [fun() -> py_channel:send(Channel, 1) end,
               fun() -> py_channel:send(Channel, 1, 0) end,
               fun() -> py_channel:recv(Channel, 0) end,
               fun() -> py_channel:try_receive(Channel) end]],
    #{closed := true} = py_channel:info(Channel),
    %% what one has begun to take it may take to the end of that run
    [{ok, N} = py_channel:recv(Received, 0) || N <- lists:seq(2, 64)],
    {error, closed} = py_channel:recv(Received, 0),
    [] = ets:tab2list(pyport_channel_segments).

%% Internal.

full(Config) ->
    Channel = channel(Config, #{max_size => 3}),
    ok = py_channel:send(Channel, 1),
    Channel.

%% How many CHANNEL_SENDs the program has read, behind all of this process.
sends(Config) ->
    length(binary:matches(seen(Config), <<"-csend-">>)).
