%% What comes from Python, against a fake program that says it: messages in
%% channels, messages to processes, questions about processes.
-module(pyport_channel_recv_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [seen/1, until/2, async/1, alone/1]).
-import(pyport_channel_case, [channel/2, byte_channel/2, utter/2, message/2,
                              waiting/2, pid_term/1, got/1]).

-define(WAIT_MS, 10000).
-define(MB, (1 bsl 20)).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [messages_are_received_in_their_order,
     messages_of_one_packet_reach_their_channels,
     a_wrong_time_out_takes_no_message,
     those_who_wait_are_served_in_turn,
     a_receiver_that_gave_up_takes_nothing_from_the_next,
     a_receiver_that_is_killed_takes_nothing_from_the_next,
     many_receivers_get_each_message_once,
     a_message_that_cannot_be_decoded_is_an_error_of_its_own,
     bytes_keep_their_bounds_and_may_be_empty,
     nothing_there_is_told_from_nothing_more,
     what_was_received_is_told_to_who_waits,
     a_step_is_told_to_who_waits,
     empty_messages_are_told_by_their_count,
     many_small_messages_are_told_without_being_asked,
     what_was_received_is_told_in_steps,
     a_receiver_leaves_nothing_behind,
     messages_to_a_process_arrive_in_their_order,
     an_answer_comes_behind_messages_to_its_caller,
     a_message_to_nobody_is_dropped,
     a_message_with_new_atoms_is_bounded,
     what_processes_were_given_is_told_in_steps,
     a_process_is_watched_until_it_ends,
     a_process_that_ended_is_known_at_once,
     a_process_of_another_node_is_said_to_live].

init_per_testcase(Case, Config) ->
    pyport_lane_case:start(settings(Case), true, Config).

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(_) ->
    [{stderr, null}, {stdout, null}].

%% channels

%% doc: over several segments, and from several packets.
messages_are_received_in_their_order(Config) ->
    Channel = channel(Config, #{}),
    ok = utter(Config, [message(1, N) || N <- lists:seq(1, 200)]),
    ok = utter(Config, [message(1, 201)]),
    #{incoming := 201} = py_channel:info(Channel),
    [{ok, N} = py_channel:recv(Channel) || N <- lists:seq(1, 100)],
    [{ok, N} = py_channel:try_receive(Channel) || N <- lists:seq(101, 201)],
    {error, timeout} = py_channel:recv(Channel, 0),
    ok = utter(Config, [message(1, N) || N <- lists:seq(1, 3)]),
    [{ok, N} = py_channel:recv(Channel, 0) || N <- [1, 2, 3]].

messages_of_one_packet_reach_their_channels(Config) ->
    Channels = [channel(Config, #{}) || _ <- [1, 2]],
    ok = utter(Config, [message(N, {N, Turn})
                        || Turn <- lists:seq(1, 20), N <- [1, 2, 2, 3]]),
    [First, Second] = [[element(2, {ok, _} = py_channel:recv(Each, 0))
                        || _ <- lists:seq(1, Count)]
                       || {Each, Count} <- lists:zip(Channels, [20, 40])],
    First = [{1, Turn} || Turn <- lists:seq(1, 20)],
    Second = [{2, Turn} || Turn <- lists:seq(1, 20), _ <- [1, 2]].

those_who_wait_are_served_in_turn(Config) ->
    Channel = channel(Config, #{}),
    Waiting = [waiting(Config, fun() -> py_channel:recv(Channel) end)
               || _ <- lists:seq(1, 5)],
    ok = utter(Config, [message(1, N) || N <- lists:seq(1, 7)]),
    [{ok, 1}, {ok, 2}, {ok, 3}, {ok, 4}, {ok, 5}] =
        [pyport_case:await(Each) || Each <- Waiting],
    [{ok, 6}, {ok, 7}] = [py_channel:recv(Channel) || _ <- [6, 7]].

a_receiver_that_gave_up_takes_nothing_from_the_next(Config) ->
    Channel = channel(Config, #{}),
    {error, timeout} = py_channel:recv(Channel, 1),
    Next = waiting(Config, fun() -> py_channel:recv(Channel) end),
    {error, timeout} = py_channel:recv(Channel, 1),
    ok = utter(Config, [message(1, first), message(1, second)]),
    {ok, first} = pyport_case:await(Next),
    {ok, second} = py_channel:recv(Channel, 1).

a_receiver_that_is_killed_takes_nothing_from_the_next(Config) ->
    Channel = channel(Config, #{}),
    Killed = [waiting(Config, fun() -> py_channel:recv(Channel) end)
              || _ <- lists:seq(1, 20)],
    [true = exit(Pid, kill) || {Pid, _} <- Killed],
    ok = utter(Config, [message(1, N) || N <- [1, 2]]),
    [{ok, N} = py_channel:recv(Channel) || N <- [1, 2]].

%% doc: some of them wait when it begins, some take from segments.
many_receivers_get_each_message_once(Config) ->
    Channel = channel(Config, #{}),
    Waiting = [waiting(Config, fun() -> received(Channel) end)
               || _ <- lists:seq(1, 4)],
    [ok = utter(Config, [message(1, N) || N <- lists:seq(From, From + 149)])
     || From <- lists:seq(1, 1500, 150)],
    Late = [async(fun() -> received(Channel) end) || _ <- lists:seq(1, 4)],
    ok = utter(Config, [{channel, 1, {closed, python}}]),
    All = [pyport_case:await(Each) || Each <- Waiting ++ Late],
    [Each = lists:sort(Each) || Each <- All],
    Numbers = lists:seq(1, 1500),
    Numbers = lists:sort(lists:append(All)),
    [] = ets:tab2list(pyport_channel_segments).

received(Channel) ->
    case py_channel:recv(Channel) of
        {ok, Term} -> [Term | received(Channel)];
        {error, closed} -> []
    end.

a_message_that_cannot_be_decoded_is_an_error_of_its_own(Config) ->
    Channel = channel(Config, #{}),
    ok = utter(Config, [{channel, 1, {message, <<131, 255>>}},
                        {channel, 1, {message, <<>>}}, message(1, good)]),
    {error, {bad_term, bad_term}} = py_channel:recv(Channel),
    {error, {bad_term, bad_term}} = py_channel:recv(Channel),
    {ok, good} = py_channel:recv(Channel).

bytes_keep_their_bounds_and_may_be_empty(Config) ->
    Channel = byte_channel(Config, #{}),
    Data = [<<>>, <<"a">>, <<>>, <<0:8000>>, <<131, 255>>],
    ok = utter(Config, [{channel, 1, {message, Each}} || Each <- Data]),
    Data = [element(2, py_byte_channel:recv(Channel)) || _ <- Data],
    {error, empty} = py_byte_channel:try_receive(Channel).

nothing_there_is_told_from_nothing_more(Config) ->
    Channel = channel(Config, #{}),
    {error, empty} = py_channel:try_receive(Channel),
    Waiting = [waiting(Config, fun() -> py_channel:recv(Channel) end)
               || _ <- lists:seq(1, 50)],
    ok = utter(Config, [message(1, last), {channel, 1, {closed, python}}]),
    Results = [pyport_case:await(Each) || Each <- Waiting],
    [{ok, last}] = [Each || {ok, _} = Each <- Results],
    49 = length([closed || {error, closed} <- Results]),
    {error, closed} = py_channel:try_receive(Channel).

%% doc: at once, and when the queue is empty.
what_was_received_is_told_to_who_waits(Config) ->
    Channel = byte_channel(Config, #{}),
    ok = utter(Config, [{channel, 1, {message, <<0:80>>}} || _ <- [1, 2, 3]]),
    {ok, _} = py_byte_channel:recv(Channel),
    ok = utter(Config, [{channel, 1, wait}]),
    ok = until(Config, <<"link-ctaken-1-10-1">>),
    [{ok, _} = py_byte_channel:recv(Channel) || _ <- [1, 2]],
    ok = until(Config, <<"link-ctaken-1-10-1 link-ctaken-1-30-3">>),
    %% nobody waits any more
    ok = utter(Config, [{channel, 1, {message, <<0:80>>}} || _ <- [1, 2, 3]]),
    [{ok, _} = py_byte_channel:recv(Channel) || _ <- [1, 2]],
    ok = utter(Config, [{channel, 0, wait}]),
    until(Config, <<"link-ctaken-1-30-3 link-ctaken-1-50-5">>).

%% doc: in the midst of what came together.
a_step_is_told_to_who_waits(Config) ->
    Channel = byte_channel(Config, #{max_size => 100}),
    ok = utter(Config, [{channel, 1, {message, <<0:80>>}}
                        || _ <- lists:seq(1, 9)]),
    {ok, _} = py_byte_channel:recv(Channel),
    ok = utter(Config, [{channel, 1, wait}]),
    [{ok, _} = py_byte_channel:recv(Channel) || _ <- [2, 3, 4]],
    until(Config, <<"link-ctaken-1-10-1 link-ctaken-1-40-4">>).

%% doc: their sum stays 0, and Python waits for their room.
empty_messages_are_told_by_their_count(Config) ->
    Channel = byte_channel(Config, #{}),
    Message = {channel, 1, {message, <<>>}},
    ok = utter(Config, [Message, Message, {channel, 1, wait}]),
    [{ok, <<>>} = py_byte_channel:recv(Channel) || _ <- [1, 2]],
    ok = until(Config, <<"link-ctaken-1-0-2">>),
    Waiting = waiting(Config, fun() -> py_byte_channel:recv(Channel) end),
    ok = utter(Config, [Message]),
    {ok, <<>>} = pyport_case:await(Waiting),
    ok = utter(Config, [{channel, 1, wait}]),
    until(Config, <<"link-ctaken-1-0-2 link-ctaken-1-0-3">>).

%% doc: 16,384 of them are as much as a mebibyte.
many_small_messages_are_told_without_being_asked(Config) ->
    Channel = byte_channel(Config, #{}),
    Batch = [{channel, 1, {message, <<0>>}} || _ <- lists:seq(1, 1024)],
    [begin
         ok = utter(Config, Batch),
         [{ok, <<0>>} = py_byte_channel:recv(Channel) || _ <- Batch]
     end || _ <- lists:seq(1, 16)],
    until(Config, <<"link-ctaken-1-16384-16384">>).

what_was_received_is_told_in_steps(Config) ->
    Channel = byte_channel(Config, #{max_size => 100}),
    [begin
         ok = utter(Config, [{channel, 1, {message, <<0:80>>}}]),
         {ok, _} = py_byte_channel:recv(Channel)
     end || _ <- lists:seq(1, 6)],
    Waiting = [waiting(Config, fun() -> py_byte_channel:recv(Channel) end)
               || _ <- lists:seq(1, 3)],
    ok = utter(Config, [{channel, 1, {message, <<0:80>>}} || _ <- [1, 2, 3]]),
    [{ok, _} = pyport_case:await(Each) || Each <- Waiting],
    until(Config, <<"link-ctaken-1-30-3 link-ctaken-1-60-6 "
                    "link-ctaken-1-90-9">>).

a_receiver_leaves_nothing_behind(Config) ->
    Channel = channel(Config, #{}),
    ok = utter(Config, [message(1, N) || N <- lists:seq(1, 130)]),
    [] = alone(fun() ->
        [{ok, _} = py_channel:recv(Channel) || _ <- lists:seq(1, 130)],
        [Key || {Key, _} <- get(), Key =:= '$pyport_received']
    end),
    [] = ets:tab2list(pyport_channel_segments).

%% doc: not even in the midst of messages that came together.
a_wrong_time_out_takes_no_message(Config) ->
    Channel = channel(Config, #{}),
    ok = utter(Config, [message(1, N) || N <- [1, 2, 3]]),
    {ok, 1} = py_channel:recv(Channel),
    {error, {invalid_argument, timeout, _}} = py_channel:recv(Channel, bogus),
    {ok, 2} = py_channel:recv(Channel).

%% processes

%% doc: single ones, and many at once, which a process of its own delivers.
messages_to_a_process_arrive_in_their_order(Config) ->
    Me = pid_term(self()),
    Send = fun(N) -> {send, Me, term_to_binary({n, N})} end,
    Large = {send, Me, term_to_binary({n, binary:copy(<<0>>, 3000)})},
    [begin
         ok = utter(Config, [Send(N) || N <- lists:seq(1, Count)]),
         ok = utter(Config, [Send(Count + 1)]),
         ok = utter(Config, [Large]),
         ok = utter(Config, [Send(Count + 2)]),
         [N = got(n) || N <- lists:seq(1, Count + 1)],
         <<0, _/binary>> = got(n),
         Last = Count + 2,
         Last = got(n)
     end || Count <- [1, 2, 100, 300]].

an_answer_comes_behind_messages_to_its_caller(Config) ->
    Me = pid_term(self()),
    [begin
         ok = utter(Config, [{send, Me, term_to_binary({n, N})}
                             || N <- lists:seq(1, 300)]),
         {messages, Messages} = process_info(self(), messages),
         300 = length(Messages),
         [N = got(n) || N <- lists:seq(1, 300)]
     end || _ <- lists:seq(1, 10)].

a_message_to_nobody_is_dropped(Config) ->
    {Dead, Monitor} = spawn_monitor(fun() -> ok end),
    normal = py_case:down(Monitor),
    Me = pid_term(self()),
    Term = term_to_binary({n, 1}),
    ok = utter(Config, [{send, pid_term(Dead), Term},
                        {send, <<255>>, Term},
                        {send, <<97, 1>>, Term},
                        {send, Me, <<131, 255>>},
                        {send, Me, term_to_binary({n, last})}]),
    last = got(n),
    ok = utter(Config, [{send, <<97, 1>>, Term}]),
    ok = utter(Config, [{send, Me, Term}]),
    1 = got(n).

a_message_with_new_atoms_is_bounded(Config) ->
    Before = pyport_term:atoms_made(),
    Name = <<"an_atom_that_only_this_test_has_", (name())/binary>>,
    Atom = <<131, 104, 2, 119, 1, $n, 119, (byte_size(Name)), Name/binary>>,
    ok = utter(Config, [{send, pid_term(self()), Atom}]),
    Name = atom_to_binary(got(n)),
    Before = pyport_term:atoms_made() - 1.

name() -> integer_to_binary(erlang:unique_integer([positive])).

what_processes_were_given_is_told_in_steps(Config) ->
    Me = pid_term(self()),
    Term = term_to_binary({n, binary:copy(<<0>>, 60000)}),
    Each = 11 + byte_size(Me) + byte_size(Term),
    Count = 1 + ?MB div Each,
    ok = utter_in_turn(Config, {send, Me, Term}, Count),
    [_ = got(n) || _ <- lists:seq(1, Count)],
    Sum = integer_to_binary(Count * Each),
    ok = until(Config, <<"link-mtaken-0-", Sum/binary>>),
    1 = length(binary:matches(seen(Config), <<"mtaken">>)).

utter_in_turn(Config, Answer, Count) ->
    _ = [ok = utter(Config, [Answer]) || _ <- lists:seq(1, Count)],
    ok.

a_process_is_watched_until_it_ends(Config) ->
    Parent = self(),
    {Pid, Monitor} = spawn_monitor(fun() -> receive {Parent, stop} -> ok end
                                   end),
    Term = pid_term(Pid),
    ok = utter(Config, [{watch, 7, Term}]),
    ok = until(Config, <<"link-process-7-1">>),
    ok = utter(Config, [{unwatch, 7}, {watch, 8, Term}]),
    ok = until(Config, <<"link-process-8-1">>),
    Pid ! {Parent, stop},
    normal = py_case:down(Monitor),
    ok = until(Config, <<"link-process-8-0">>),
    nomatch = binary:match(seen(Config), <<"link-process-7-0">>).

a_process_that_ended_is_known_at_once(Config) ->
    {Pid, Monitor} = spawn_monitor(fun() -> ok end),
    normal = py_case:down(Monitor),
    ok = utter(Config, [{watch, 1, pid_term(Pid)}]),
    until(Config, <<"link-process-1-0">>).

a_process_of_another_node_is_said_to_live(Config) ->
    Node = <<"elsewhere@nowhere">>,
    Pid = <<88, 119, (byte_size(Node)), Node/binary, 1:32, 0:32, 1:32>>,
    ok = utter(Config, [{watch, 1, Pid}, {watch, 2, <<97, 1>>}]),
    until(Config, <<"link-process-1-1 link-process-2-1">>).
