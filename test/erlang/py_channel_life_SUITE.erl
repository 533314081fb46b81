%% The life of channels on the real program: deaths, ends, owners, hosts.
-module(py_channel_life_SUITE).

-compile([export_all, nowarn_export_all]).

-import(py_buffer_case, [ctx/1, async/1, await/1]).
-import(py_channel_case, [call/3, collect/2, until/2, announced/3]).

-define(WAIT_MS, 20000).
-define(QUESTIONS_MAX, 1000000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [a_host_that_dies_ends_its_channels_at_once,
     a_host_that_dies_wakes_everybody,
     a_program_that_is_stopped_ends_its_channels,
     a_sender_that_dies_leaves_what_it_sent,
     senders_killed_at_random_leave_whole_messages,
     senders_killed_while_they_wait_leave_their_room,
     receivers_killed_at_random_cost_a_message_at_most,
     a_close_wakes_threads_that_wait,
     a_close_wakes_receivers_that_wait,
     python_closes_and_senders_are_told,
     what_was_sent_before_the_close_is_received,
     an_owner_that_dies_ends_its_channel,
     a_channel_outlives_the_process_that_gave_it_away,
     dying_owners_leave_nothing,
     a_channel_of_another_host_is_refused,
     a_message_that_cannot_be_decoded_is_an_error_of_its_own,
     the_memory_of_all_channels_is_bounded,
     a_channel_of_another_node_works_like_a_local_one,
     a_receiver_that_dies_takes_nothing_from_another_node].

init_per_testcase(Case, Config) ->
    py_channel_case:start(settings(Case), Config).

end_per_testcase(_, Config) ->
    py_case:stop(Config).

settings(a_program_that_is_stopped_ends_its_channels) ->
    [{silence, 50}, {ping_timeout, 200}];
settings(the_memory_of_all_channels_is_bounded) ->
    [{channel_bytes_max, 1 bsl 20}];
settings(_) ->
    [].

%% deaths

a_host_that_dies_ends_its_channels_at_once(Config) ->
    {ok, Channel} = py_channel:new(),
    [ok = py_channel:send(Channel, N) || N <- lists:seq(1, 1000)],
    {ok, none} = call(Config, send_all, [Channel, lists:seq(1, 1000)]),
    {ok, 1} = py_channel:recv(Channel),
    ok = killed(Config),
    {error, closed} = until_closed(Channel, ?QUESTIONS_MAX),
    {error, closed} = py_channel:send(Channel, 1, infinity),
    {error, closed} = py_channel:recv(Channel),
    {error, closed} = py_channel:try_receive(Channel),
    #{closed := true, size := 0, messages := 0, incoming := 0} =
        py_channel:info(Channel),
    ok = py_channel:close(Channel),
    [] = ets:tab2list(pyport_channel_segments).

%% The death is known when the link has heard of it.
until_closed(Channel, Times) when Times > 0 ->
    case py_channel:send(Channel, 1) of
        ok -> until_closed(Channel, Times - 1);
        Error -> Error
    end.

a_host_that_dies_wakes_everybody(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 10}),
    ok = py_channel:send(Channel, <<"1234">>),
    Senders = [async(fun() -> py_channel:send(Channel, N, infinity) end)
               || N <- lists:seq(1, 20)],
    Receivers = [async(fun() -> py_channel:recv(Channel) end)
                 || _ <- lists:seq(1, 20)],
    [ok = waiting(Channel, Each) || Each <- Senders ++ Receivers],
    ok = killed(Config),
    [{error, closed} = await(Each) || Each <- Senders ++ Receivers].

a_program_that_is_stopped_ends_its_channels(Config) ->
    {ok, Channel} = py_channel:new(),
    {ok, #{os_pid := OsPid}} = py:host_info(ctx(Config)),
    Receiver = async(fun() -> py_channel:recv(Channel) end),
    ok = waiting(Channel, Receiver),
    ok = pyport_lane_case:signal("STOP", OsPid),
    Senders = [async(fun() -> send_on(Channel, rand:bytes(Bytes)) end)
               || Bytes <- [10, 1000, 20000]],
    [{error, closed} = await(Each) || Each <- [Receiver | Senders]].

send_on(Channel, Term) ->
    case py_channel:send(Channel, Term) of
        ok -> send_on(Channel, Term);
        busy -> send_on(Channel, Term);
        Error -> Error
    end.

a_sender_that_dies_leaves_what_it_sent(Config) ->
    {ok, Channel} = py_channel:new(),
    ok = await(async(fun() ->
        [ok = py_channel:send(Channel, N) || N <- lists:seq(1, 1000)],
        ok
    end)),
    ok = py_channel:close(Channel),
    Numbers = lists:seq(1, 1000),
    {ok, Numbers} = call(Config, drain, [Channel]).

%% doc: wherever it is killed, the reader gets its messages up to some one,
%% and an end.
senders_killed_at_random_leave_whole_messages(Config) ->
    [begin
         {ok, Channel} = py_channel:new(#{max_size => 200000}),
         Reading = async(fun() -> call(Config, drain, [Channel]) end),
         Senders = [async(fun() -> send_numbers(Channel, Name, 1) end)
                    || Name <- [1, 2, 3, 4]],
         _ = [begin
                  erlang:yield(),
                  py_case:kill(Pid)
              end || {Pid, _} <- Senders],
         ok = py_channel:close(Channel),
         {ok, All} = await(Reading),
         [begin
              Numbers = [N || {From, N, _} <- All, From =:= Name],
              Numbers = lists:seq(1, length(Numbers))
          end || Name <- [1, 2, 3, 4]]
     end || _ <- lists:seq(1, 30)].

send_numbers(Channel, Name, N) ->
    Bytes = case N rem 10 of 0 -> 20000; _ -> 10 end,
    ok = py_channel:send(Channel, {Name, N, rand:bytes(Bytes)}, infinity),
    send_numbers(Channel, Name, N + 1).

senders_killed_while_they_wait_leave_their_room(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 10}),
    ok = py_channel:send(Channel, <<"1234">>),
    Senders = [async(fun() -> py_channel:send(Channel, <<"dead">>,
                                              infinity) end)
               || _ <- lists:seq(1, 20)],
    [ok = waiting(Channel, Each) || Each <- Senders],
    [ok = py_case:kill(Pid) || {Pid, _} <- Senders],
    {ok, [<<"1234">>]} = call(Config, take, [Channel, 1]),
    ok = py_channel:send(Channel, <<"5678">>, infinity),
    ok = py_channel:close(Channel),
    {ok, [<<"5678">>]} = call(Config, drain, [Channel]).

%% doc: one that it was given, or had claimed.
receivers_killed_at_random_cost_a_message_at_most(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 20000}),
    Sending = async(fun() -> call(Config, send_numbers, [Channel, 20000]) end),
    Killed = [begin
                  {Pid, _} = async(fun() -> collect(py_channel, Channel) end),
                  {ok, _} = py_channel:recv(Channel),
                  ok = py_case:kill(Pid),
                  Pid
              end || _ <- lists:seq(1, 20)],
    Rest = collect(py_channel, Channel),
    Rest = lists:usort(Rest),
    true = length(Rest) > 0,
    20 = length(Killed),
    {ok, none} = await(Sending).

%% ends

a_close_wakes_threads_that_wait(Config) ->
    {ok, Channel} = py_channel:new(),
    Reading = async(fun() -> call(Config, drain_in_threads, [Channel, 50]) end),
    ok = py_channel:send(Channel, last),
    ok = py_channel:close(Channel),
    {ok, Each} = await(Reading),
    [<<"last">>] = lists:append(Each),
    50 = length(Each).

a_close_wakes_receivers_that_wait(_) ->
    {ok, Channel} = py_channel:new(),
    Receivers = [async(fun() -> py_channel:recv(Channel) end)
                 || _ <- lists:seq(1, 50)],
    [ok = waiting(Channel, Each) || Each <- Receivers],
    ok = py_channel:close(Channel),
    [{error, closed} = await(Each) || Each <- Receivers].

%% doc: Python lets go of it too, so nobody there receives any more.
python_closes_and_senders_are_told(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 10}),
    ok = py_channel:send(Channel, <<"1234">>),
    Senders = [async(fun() -> py_channel:send(Channel, 5678, infinity) end)
               || _ <- lists:seq(1, 20)],
    [ok = waiting(Channel, Each) || Each <- Senders],
    {ok, none} = call(Config, close, [Channel]),
    [{error, closed} = await(Each) || Each <- Senders],
    {error, closed} = py_channel:send(Channel, 1),
    {ok, []} = call(Config, drain, [Channel]).

%% doc: over both lanes, by many, and the close is faster than some.
what_was_sent_before_the_close_is_received(Config) ->
    [begin
         {ok, Channel} = py_byte_channel:new(),
         {Reading, Socket} = announced(Config, drain_when_told, [Channel]),
         Senders = [async(fun() -> send_until_closed(Channel, []) end)
                    || _ <- lists:seq(1, 8)],
         ok = py_byte_channel:close(Channel),
         Sent = lists:append([await(Sender) || Sender <- Senders]),
         ok = gen_tcp:send(Socket, "go"),
         {ok, All} = await(Reading),
         Count = length(Sent),
         Count = length(All),
         true = lists:sort(Sent) =:= lists:sort(All)
     end || _ <- lists:seq(1, 20)].

send_until_closed(Channel, Sent) ->
    Message = rand:bytes(case rand:uniform(2) of 1 -> 20; 2 -> 20000 end),
    case py_byte_channel:send(Channel, Message) of
        ok -> send_until_closed(Channel, [Message | Sent]);
        {error, closed} -> Sent
    end.

%% owners

an_owner_that_dies_ends_its_channel(Config) ->
    {Channel, Owner} = owned(),
    ok = py_channel:send(Channel, 1),
    {Reading, Socket} = announced(Config, drain_when_told, [Channel]),
    Receiver = async(fun() -> py_channel:recv(Channel) end),
    ok = waiting(Channel, Receiver),
    ok = py_case:kill(Owner),
    {error, closed} = await(Receiver),
    {error, closed} = py_channel:send(Channel, 2),
    ok = gen_tcp:send(Socket, "go"),
    {ok, [1]} = await(Reading).

a_channel_outlives_the_process_that_gave_it_away(Config) ->
    Self = self(),
    {Channel, Owner} = owned(),
    {error, not_owner} = py_channel:give_away(Channel, self()),
    Owner ! {give_to, Self},
    receive {given, Result} -> ok = Result end,
    #{owner := Self} = py_channel:info(Channel),
    ok = py_case:kill(Owner),
    ok = py_channel:send(Channel, whole),
    ok = py_channel:close(Channel),
    {ok, [<<"whole">>]} = call(Config, drain, [Channel]).

owned() ->
    Parent = self(),
    Owner = spawn(fun() ->
        {ok, Channel} = py_channel:new(),
        Parent ! {self(), Channel},
        receive {give_to, Pid} ->
            Parent ! {given, py_channel:give_away(Channel, Pid)}
        end,
        receive never -> ok end
    end),
    receive {Owner, Channel} -> {Channel, Owner}
    after ?WAIT_MS -> error(no_channel)
    end.

dying_owners_leave_nothing(Config) ->
    Owners = [async(fun() ->
                  {ok, Channel} = py_channel:new(),
                  ok = py_channel:send(Channel, rand:bytes(N * 20)),
                  {ok, none} = call(Config, send_all, [Channel, [N]]),
                  _ = [py_channel:close(Channel) || N rem 2 =:= 0],
                  _ = [py_channel:recv(Channel) || N rem 3 =:= 0],
                  ok
              end) || N <- lists:seq(1, 1000)],
    [ok = await(Owner) || Owner <- Owners],
    ok = until(fun() ->
                   {ok, #{channels := Count}} = py:host_info(ctx(Config)),
                   Count =:= 0
               end, ?QUESTIONS_MAX),
    [] = ets:tab2list(pyport_channel_segments).

%% mistakes

a_channel_of_another_host_is_refused(Config) ->
    {ok, Other} = py_context:new(py_case:with_programs(#{mode => isolated})),
    {ok, Theirs} = py_channel:new(#{context => Other}),
    {ok, <<"Ref">>} = call(Config, kind, [Theirs]),
    {error, {'ValueError', Message}} = call(Config, as_channel, [Theirs]),
    true = length(Message) > 20,
    {ok, <<"Channel">>} = py_context:call(Other, talks, kind, [Theirs]).

a_message_that_cannot_be_decoded_is_an_error_of_its_own(Config) ->
    {ok, Channel} = py_channel:new(),
    {Link, _} = pyport_lanes:find(pyport_channel_cells:key(Channel)),
    ok = py_channel:send(Channel, good),
    ok = pyport_channel_cells:reserve(Channel, 2, 0),
    Link ! [pyport_channel_cells:number(Channel) | <<131, 255>>],
    ok = py_channel:send(Channel, better),
    {ok, [<<"good">>]} = call(Config, take, [Channel, 1]),
    {error, {_, _}} = call(Config, take, [Channel, 1]),
    {ok, [<<"better">>]} = call(Config, take, [Channel, 1]).

the_memory_of_all_channels_is_bounded(Config) ->
    Channels = [element(2, {ok, _} = py_channel:new()) || _ <- [1, 2, 3]],
    Sent = [sent_until_busy(Each, 0) || Each <- Channels],
    true = lists:sum(Sent) < 100 * 1000,
    {ok, #{channel_bytes := Bytes}} = py:host_info(ctx(Config)),
    true = Bytes < 40 bsl 20,
    Waiting = [async(fun() -> py_channel:send(Each, 1, ?WAIT_MS) end)
               || Each <- Channels],
    [{ok, _} = call(Config, there, [Each]) || Each <- Channels],
    [ok = await(Each) || Each <- Waiting].

sent_until_busy(Channel, Count) when Count < 100000 ->
    case py_channel:send(Channel, <<0:8000>>) of
        ok -> sent_until_busy(Channel, Count + 1);
        busy -> Count
    end.

a_channel_of_another_node_works_like_a_local_one(_) ->
    {Peer, Node, Ctx} = py_context_SUITE:peer(),
    Self = self(),
    {ok, Channel} = py_channel:new(#{context => Ctx, max_size => 100000}),
    Node = node(Channel),
    Echo = async(fun() -> py_context:call(Ctx, talks, echo, [Channel]) end),
    Terms = [1, none, rand:bytes(20000), <<>>],
    [ok = py_channel:send(Channel, Term) || Term <- Terms],
    [{ok, Term} = py_channel:recv(Channel, ?WAIT_MS) || Term <- Terms],
    ok = py_channel:send(Channel, 1, ?WAIT_MS),
    {ok, 1} = py_channel:recv(Channel),
    {error, timeout} = py_channel:recv(Channel, 1),
    {error, empty} = py_channel:try_receive(Channel),
    #{owner := Self, max_size := 100000} = py_channel:info(Channel),
    {error, invalid_channel} = py_byte_channel:send(Channel, <<>>),
    ok = py_channel:give_away(Channel, self()),
    ok = py_channel:close(Channel),
    {ok, none} = await(Echo),
    {error, closed} = py_channel:send(Channel, 1),
    {ok, Orphan} = py_channel:new(#{context => Ctx}),
    Waiting = async(fun() -> py_channel:recv(Orphan) end),
    ok = peer:stop(Peer),
    {error, closed} = await(Waiting),
    {error, closed} = py_channel:send(Orphan, 1).

%% doc: it waits there in another process, which must not take its message.
a_receiver_that_dies_takes_nothing_from_another_node(_) ->
    {Peer, Node, Ctx} = py_context_SUITE:peer(),
    {ok, Channel} = py_channel:new(#{context => Ctx}),
    [begin
         {Receiver, _} = spawn_monitor(fun() -> py_channel:recv(Channel) end),
         ok = erpc:call(Node, ?MODULE, until_any, [Channel, true]),
         killed = killed_receiver(Receiver),
         ok = erpc:call(Node, ?MODULE, until_any, [Channel, false]),
         {ok, none} = py_context:call(Ctx, talks, send_all, [Channel, [N]]),
         {ok, N} = py_channel:recv(Channel, ?WAIT_MS)
     end || N <- [1, 2, 3]],
    ok = peer:stop(Peer).

killed_receiver(Receiver) ->
    true = exit(Receiver, kill),
    receive {'DOWN', _, process, Receiver, Reason} -> Reason end.

%% Is anybody known to the link as one that waits?
until_any(Channel, IsAny) ->
    {Link, _} = pyport_lanes:find(pyport_channel_cells:key(Channel)),
    {dictionary, Dictionary} = process_info(Link, dictionary),
    case lists:any(fun({{at_channel, _}, _}) -> true; (_) -> false end,
                   Dictionary) of
        IsAny -> ok;
        _ -> until_any(Channel, IsAny)
    end.

%% Internal.

killed(Config) ->
    {ok, #{os_pid := OsPid}} = py:host_info(ctx(Config)),
    pyport_lane_case:signal("KILL", OsPid).

%% Its link knows that it waits.
waiting(Channel, {Pid, _}) ->
    {Link, _} = pyport_lanes:find(pyport_channel_cells:key(Channel)),
    pyport_channel_case:until_waiting(Link, Pid).
