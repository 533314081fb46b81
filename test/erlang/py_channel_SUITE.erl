%% Channels of terms between Erlang and the real program.
-module(py_channel_SUITE).

-compile([export_all, nowarn_export_all]).

-import(py_buffer_case, [async/1, await/1]).
-import(py_channel_case, [call/3, collect/2, mixed/2]).

-define(WAIT_MS, 20000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [terms_arrive_as_they_were_sent,
     terms_come_back_as_python_sent_them,
     a_reference_is_the_same_channel_wherever_it_comes,
     what_is_queued_is_counted_exactly,
     a_limit_is_exact_for_many_senders_and_sizes,
     a_sender_that_waits_goes_on_when_python_takes,
     python_waits_for_those_who_receive,
     messages_are_there_for_the_call_behind_them,
     messages_are_there_for_the_write_behind_them,
     small_and_large_messages_stay_in_order,
     senders_keep_their_orders,
     threads_that_send_keep_their_orders,
     threads_that_receive_get_each_message_once,
     cancelled_receivers_lose_nothing,
     impatient_receivers_lose_nothing,
     answers_reach_their_process,
     what_python_posts_comes_before_its_answer,
     many_messages_leave_no_size_behind,
     random_histories_are_those_of_two_queues].

init_per_testcase(_, Config) ->
    py_channel_case:start([], Config).

end_per_testcase(_, Config) ->
    py_case:stop(Config).

terms_arrive_as_they_were_sent(Config) ->
    {ok, Channel} = py_channel:new(),
    Terms = [none, 1, <<>>, [], #{}, {a, 2.5}, <<"b">>, 1 bsl 100, undefined,
             binary:copy(<<"large">>, 10000), lists:seq(1, 10000), none],
    [ok = py_channel:send(Channel, Term) || Term <- Terms],
    ok = py_channel:close(Channel),
    {ok, Drained} = call(Config, drain, [Channel]),
    Drained = [prop_convert:expected(Term) || Term <- Terms].

terms_come_back_as_python_sent_them(Config) ->
    {ok, Channel} = py_channel:new(),
    Echo = async(fun() -> call(Config, echo, [Channel]) end),
    Terms = [none, 1, <<>>, [], {<<"a">>, 2.5}, rand:bytes(300000), 7],
    [begin
         ok = py_channel:send(Channel, Term),
         {ok, Term} = py_channel:recv(Channel, ?WAIT_MS)
     end || Term <- Terms],
    {error, timeout} = py_channel:recv(Channel, 1),
    ok = py_channel:close(Channel),
    {ok, none} = await(Echo),
    {error, closed} = py_channel:recv(Channel, ?WAIT_MS).

a_reference_is_the_same_channel_wherever_it_comes(Config) ->
    {ok, Channel} = py_channel:new(),
    {ok, Bytes} = py_byte_channel:new(),
    {ok, Channel} = call(Config, same, [Channel]),
    {ok, #{<<"x">> := [Channel, Bytes]}} =
        call(Config, same, [#{<<"x">> => [Channel, Bytes]}]),
    {ok, <<"Channel">>} = call(Config, kind, [Channel]),
    {ok, <<"ByteChannel">>} = call(Config, kind, [Bytes]),
    ok = py_channel:send(Channel, Channel),
    {ok, [Channel]} = call(Config, take, [Channel, 1]).

what_is_queued_is_counted_exactly(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 1000}),
    [ok = py_channel:send(Channel, N) || N <- lists:seq(1, 10)],
    Self = self(),
    #{messages := 10, size := 30, max_size := 1000, closed := false,
      incoming := 0, owner := Self} = py_channel:info(Channel),
    {ok, [1, 2, 3]} = call(Config, take, [Channel, 3]),
    #{messages := 7, size := 21} = py_channel:info(Channel),
    {ok, none} = call(Config, send_all, [Channel, [a, b]]),
    #{incoming := 2} = py_channel:info(Channel).

%% doc: what was ok arrives, what was busy does not.
a_limit_is_exact_for_many_senders_and_sizes(Config) ->
    Max = 500000,
    {ok, Channel} = py_byte_channel:new(#{max_size => Max}),
    Senders = [async(fun() ->
                   [Each || Each <- mixed(40, 30000),
                            py_byte_channel:send(Channel, Each) =:= ok]
               end) || _ <- lists:seq(1, 8)],
    Sent = [await(Sender) || Sender <- Senders],
    Sum = iolist_size(Sent),
    true = Sum =< Max,
    Left = Max - Sum,
    _ = [busy = py_byte_channel:send(Channel, rand:bytes(Left + 1))],
    ok = py_byte_channel:send(Channel, rand:bytes(Left)),
    busy = py_byte_channel:send(Channel, <<"a">>),
    ok = py_byte_channel:close(Channel),
    {ok, Drained} = call(Config, drain, [Channel]),
    Max = iolist_size(Drained),
    All = lists:sort(lists:append(Sent)),
    All = lists:sort(lists:droplast(Drained)).

a_sender_that_waits_goes_on_when_python_takes(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 20000}),
    {error, timeout} = fill(Channel, 1),
    Drained = async(fun() -> call(Config, drain, [Channel]) end),
    Numbers = lists:seq(1, 20000),
    [ok = py_channel:send(Channel, N, ?WAIT_MS) || N <- Numbers],
    ok = py_channel:close(Channel),
    {ok, All} = await(Drained),
    Numbers = [N || N <- All, is_integer(N)].

fill(Channel, Timeout) ->
    case py_channel:send(Channel, <<"filled">>, Timeout) of
        ok -> fill(Channel, Timeout);
        Error -> Error
    end.

python_waits_for_those_who_receive(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 1000}),
    Sending = async(fun() -> call(Config, send_numbers, [Channel, 50000]) end),
    Numbers = lists:seq(0, 49999),
    Numbers = collect(py_channel, Channel),
    {ok, none} = await(Sending).

%% order

messages_are_there_for_the_call_behind_them(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    [begin
         Sent = mixed(20, 40000),
         [ok = py_byte_channel:send(Channel, Each) || Each <- Sent],
         Bytes = rand:uniform(300000),
         {ok, {Sent, Bytes}} = call(Config, there_and,
                                    [Channel, rand:bytes(Bytes)])
     end || _ <- lists:seq(1, 50)].

messages_are_there_for_the_write_behind_them(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    [begin
         {ok, Buffer} = py_buffer:new(),
         Reading = async(fun() -> call(Config, there_and_read,
                                       [Channel, Buffer]) end),
         Sent = mixed(5, 20000),
         [ok = py_byte_channel:send(Channel, Each) || Each <- Sent],
         ok = py_buffer:write(Buffer, ["x", rand:bytes(rand:uniform(40000))]),
         {ok, Sent} = await(Reading)
     end || _ <- lists:seq(1, 50)].

small_and_large_messages_stay_in_order(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    Reading = async(fun() -> call(Config, drain, [Channel]) end),
    Sent = mixed(1000, 40000),
    [ok = py_byte_channel:send(Channel, Each) || Each <- Sent],
    ok = py_byte_channel:close(Channel),
    {ok, Sent} = await(Reading).

senders_keep_their_orders(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 1000000}),
    Reading = async(fun() -> call(Config, drain, [Channel]) end),
    Sizes = [1, 100, 20000],
    Send = fun(Name, N) ->
        Size = lists:nth(rand:uniform(3), Sizes),
        ok = py_channel:send(Channel, {Name, N, rand:bytes(Size)}, ?WAIT_MS)
    end,
    Numbers = lists:seq(1, 300),
    Senders = [async(fun() -> [Send(Name, N) || N <- Numbers], ok end)
               || Name <- lists:seq(1, 8)],
    [ok = await(Sender) || Sender <- Senders],
    ok = py_channel:close(Channel),
    {ok, All} = await(Reading),
    [Numbers = [N || {From, N, _} <- All, From =:= Name]
     || Name <- lists:seq(1, 8)].

threads_that_send_keep_their_orders(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 10000}),
    Sending = async(fun() -> call(Config, send_in_threads,
                                  [Channel, 4, 2000]) end),
    All = collect(py_channel, Channel),
    {ok, none} = await(Sending),
    Numbers = lists:seq(0, 1999),
    [Numbers = [N || {From, N} <- All, From =:= Name] || Name <- [0, 1, 2, 3]].

threads_that_receive_get_each_message_once(Config) ->
    {ok, Channel} = py_channel:new(),
    Reading = async(fun() -> call(Config, drain_in_threads, [Channel, 4]) end),
    Numbers = lists:seq(1, 20000),
    [ok = py_channel:send(Channel, N) || N <- Numbers],
    ok = py_channel:close(Channel),
    {ok, Each} = await(Reading),
    [One = lists:sort(One) || One <- Each],
    Numbers = lists:sort(lists:append(Each)).

cancelled_receivers_lose_nothing(Config) ->
    [begin
         {ok, Channel} = py_channel:new(),
         Reading = async(fun() -> call(Config, drain_and_cancel,
                                       [Channel, Seed]) end),
         Numbers = lists:seq(1, 1000),
         [ok = py_channel:send(Channel, N) || N <- Numbers],
         ok = py_channel:close(Channel),
         {ok, Numbers} = await(Reading)
     end || Seed <- lists:seq(1, 5)].

impatient_receivers_lose_nothing(Config) ->
    {ok, Channel} = py_channel:new(),
    Reading = async(fun() -> call(Config, drain_impatiently, [Channel]) end),
    Numbers = lists:seq(1, 3000),
    [begin
         ok = py_channel:send(Channel, N),
         _ = [py_channel:recv(Channel, 1) || N rem 100 =:= 0]
     end || N <- Numbers],
    ok = py_channel:close(Channel),
    {ok, Numbers} = await(Reading).

%% processes

answers_reach_their_process(Config) ->
    {ok, Channel} = py_channel:new(),
    Ponging = async(fun() -> call(Config, pong, [Channel]) end),
    Askers = [async(fun() ->
                  [begin
                       Term = {<<"n">>, N, rand:bytes(rand:uniform(5000))},
                       ok = py_channel:send(Channel, {self(), Term}),
                       receive Term -> ok after ?WAIT_MS -> error(N) end
                   end || N <- lists:seq(1, 300)],
                  ok
              end) || _ <- lists:seq(1, 8)],
    [ok = await(Asker) || Asker <- Askers],
    ok = py_channel:close(Channel),
    {ok, none} = await(Ponging).

what_python_posts_comes_before_its_answer(Config) ->
    [begin
         Terms = lists:seq(1, Count),
         {ok, <<"posted">>} = call(Config, post, [self(), Terms, true]),
         [receive {<<"posted">>, N} -> ok after 0 -> error({no, N}) end
          || N <- Terms]
     end || Count <- [1, 2, 10, 1000, 5000]].

many_messages_leave_no_size_behind(Config) ->
    {ok, Channel} = py_channel:new(#{max_size => 10000000}),
    Reading = async(fun() -> call(Config, take, [Channel, 100000]) end),
    [ok = py_channel:send(Channel, N, ?WAIT_MS)
     || N <- lists:seq(1, 100000)],
    {ok, Taken} = await(Reading),
    100000 = length(Taken),
    #{messages := 0, size := 0} = py_channel:info(Channel).

random_histories_are_those_of_two_queues(_) ->
    true = proper:quickcheck(prop_channel:prop_two_queues(),
                             [{numtests, 60}, {to_file, user}]).
