%% Channels of bytes between Erlang and the real program.
-module(py_byte_channel_SUITE).

-compile([export_all, nowarn_export_all]).

-import(py_buffer_case, [async/1, await/1]).
-import(py_channel_case, [call/3, collect/2, mixed/2]).

-define(WAIT_MS, 20000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [messages_keep_their_bounds_both_ways,
     empty_messages_are_delivered_both_ways,
     iodata_is_one_message,
     nothing_there_is_empty_and_nothing_more_is_closed,
     a_receiver_gives_up_and_comes_back,
     a_message_of_many_megabytes_arrives,
     python_sends_more_than_there_is_room_for].

init_per_testcase(_, Config) ->
    py_channel_case:start([], Config).

end_per_testcase(_, Config) ->
    py_case:stop(Config).

messages_keep_their_bounds_both_ways(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    Echo = async(fun() -> call(Config, echo, [Channel]) end),
    Sent = [<<N:32>> || N <- lists:seq(1, 2000)] ++ mixed(200, 100000),
    [ok = py_byte_channel:send(Channel, Each) || Each <- Sent],
    Sent = [element(2, {ok, _} = py_byte_channel:recv(Channel, ?WAIT_MS))
            || _ <- Sent],
    ok = py_byte_channel:close(Channel),
    {ok, none} = await(Echo).

empty_messages_are_delivered_both_ways(Config) ->
    {ok, Channel} = py_byte_channel:new(#{max_size => 4}),
    Sent = [<<>>, <<"a">>, <<>>, <<>>, <<"bcd">>, <<>>],
    [ok = py_byte_channel:send(Channel, Each) || Each <- Sent],
    #{messages := 6, size := 4} = py_byte_channel:info(Channel),
    {ok, none} = call(Config, send_all, [Channel, [{bytes, Each}
                                                   || Each <- Sent]]),
    Sent = [element(2, py_byte_channel:recv(Channel)) || _ <- Sent],
    ok = py_byte_channel:close(Channel),
    {ok, Sent} = call(Config, drain, [Channel]).

iodata_is_one_message(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    ok = py_byte_channel:send(Channel, ["a", [<<"b">>, $c]]),
    {ok, [<<"abc">>]} = call(Config, take, [Channel, 1]).

nothing_there_is_empty_and_nothing_more_is_closed(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    {error, empty} = py_byte_channel:try_receive(Channel),
    {ok, none} = call(Config, send_all, [Channel, [{bytes, <<"x">>}]]),
    {ok, <<"x">>} = py_byte_channel:try_receive(Channel),
    {error, empty} = py_byte_channel:try_receive(Channel),
    {ok, none} = call(Config, close, [Channel]),
    {error, closed} = py_byte_channel:recv(Channel, ?WAIT_MS),
    {error, closed} = py_byte_channel:try_receive(Channel),
    {error, closed} = py_byte_channel:send(Channel, <<>>).

a_receiver_gives_up_and_comes_back(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    [{error, timeout} = py_byte_channel:recv(Channel, Ms) || Ms <- [0, 1, 5]],
    Others = [async(fun() -> py_byte_channel:recv(Channel, ?WAIT_MS) end)
              || _ <- [1, 2]],
    {error, timeout} = py_byte_channel:recv(Channel, 1),
    {ok, none} = call(Config, send_all, [Channel, [{bytes, <<"a">>},
                                                   {bytes, <<"b">>}]]),
    [{ok, <<"a">>}, {ok, <<"b">>}] = lists:sort([await(Each)
                                                 || Each <- Others]).

a_message_of_many_megabytes_arrives(Config) ->
    {ok, Channel} = py_byte_channel:new(),
    Data = rand:bytes(20 bsl 20),
    Echo = async(fun() -> call(Config, echo, [Channel]) end),
    ok = py_byte_channel:send(Channel, Data),
    {ok, Data} = py_byte_channel:recv(Channel, ?WAIT_MS),
    ok = py_byte_channel:close(Channel),
    {ok, none} = await(Echo).

python_sends_more_than_there_is_room_for(Config) ->
    {ok, Channel} = py_byte_channel:new(#{max_size => 100000}),
    Sent = mixed(500, 30000),
    Sending = async(fun() ->
        Result = call(Config, send_all, [Channel, [{bytes, Each}
                                                   || Each <- Sent]]),
        ok = py_byte_channel:close(Channel),
        Result
    end),
    Sent = collect(py_byte_channel, Channel),
    {ok, none} = await(Sending).
