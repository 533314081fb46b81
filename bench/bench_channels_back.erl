%% Small messages from Python to Erlang, through a channel and to a process.
%% Whoever receives counts them in windows of one second; the first does not
%% count.
-module(bench_channels_back).

-export([back/0]).

-define(WINDOWS, 10).
-define(WINDOW_NS, 1000000000).
-define(SECONDS, 12).
-define(LOOK_EVERY, 1024).
-define(CALL_MS, 60000).
-define(PATIENCE_MS, 10000).

-spec back() -> [bench_figure:figure()].
back() ->
    ok = bench_buffers:start(),
    bench_channels_load:steady("Channel.send, 64 B", channel(), 1.0, 3.0) ++
        bench_channels_load:steady("erlang.send, 64 B", process(), 1.0, 3.0).

-spec channel() -> [number(), ...].
channel() ->
    {ok, Channel} = py_channel:new(),
    Take = fun() ->
        {ok, <<_:64/binary>>} = py_channel:recv(Channel, ?PATIENCE_MS),
        ok
    end,
    Call = py:spawn_call(bench_channels, send_for, [Channel, ?SECONDS]),
    Rates = rates(Take),
    ok = py_channel:close(Channel),
    {ok, Sent} = py:await(Call, ?CALL_MS),
    true = is_integer(Sent),
    Rates.

-spec process() -> [number(), ...].
process() ->
    Take = fun() ->
        receive
            <<_:64/binary>> -> ok
        after ?PATIENCE_MS -> error(nothing_came)
        end
    end,
    Parent = self(),
    {Pid, Ref} = spawn_monitor(fun() ->
        Rates = rates(Take),
        Parent ! {self(), Rates},
        rest()
    end),
    Args = [Pid, ?SECONDS],
    Call = py:spawn_call(bench_channels, send_to_process_for, Args),
    Rates =
        receive
            {Pid, Measured} -> Measured
        end,
    {ok, Sent} = py:await(Call, ?CALL_MS),
    true = is_integer(Sent),
    Pid ! stop,
    ok = bench_wait:ended([{Pid, Ref}]),
    Rates.

-spec rest() -> ok.
rest() ->
    receive
        stop -> ok;
        _ -> rest()
    end.

%% How many came in each window, from a second after the first on.
-spec rates(fun(() -> ok)) -> [number(), ...].
rates(Take) ->
    ok = Take(),
    Start = erlang:monotonic_time() + native(?WINDOW_NS),
    ok = until(Take, Start),
    windows(Take, erlang:monotonic_time(), ?WINDOWS).

-spec native(integer()) -> integer().
native(Ns) -> erlang:convert_time_unit(Ns, nanosecond, native).

-spec windows(fun(() -> ok), integer(), non_neg_integer()) -> [number()].
windows(_, _, 0) ->
    [];
windows(Take, Start, Left) ->
    Count = count(Take, Start + native(?WINDOW_NS), 0),
    Now = erlang:monotonic_time(),
    [Count * native(?WINDOW_NS) / (Now - Start) | windows(Take, Now, Left - 1)].

-spec until(fun(() -> ok), integer()) -> ok.
until(Take, End) ->
    _ = count(Take, End, 0),
    ok.

-spec count(fun(() -> ok), integer(), non_neg_integer()) -> pos_integer().
count(Take, End, Count) ->
    ok = take(Take, ?LOOK_EVERY),
    case erlang:monotonic_time() < End of
        true -> count(Take, End, Count + ?LOOK_EVERY);
        false -> Count + ?LOOK_EVERY
    end.

-spec take(fun(() -> ok), non_neg_integer()) -> ok.
take(_, 0) ->
    ok;
take(Take, Left) ->
    ok = Take(),
    take(Take, Left - 1).
