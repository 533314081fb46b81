%% What Python sends to processes of other nodes, against a fake program that
%% says it: a node that does not read holds up nobody but who sends to it.
-module(pyport_sends_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [place/1, call/2]).
-import(pyport_channel_case, [utter/2, pid_term/1, got/1]).

-define(CALL_MS, 10000).
-define(FILL_BYTES, 60000).
-define(FILLS_MAX, 10000).
-define(FULL_ROUNDS, 100).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [messages_to_several_nodes_arrive_in_their_order,
     a_node_that_does_not_read_holds_up_no_call,
     single_messages_to_a_node_that_does_not_read_hold_up_no_call,
     an_answer_to_a_node_that_does_not_read_holds_up_no_call,
     what_a_stopped_node_missed_arrives_in_its_order,
     a_courier_without_work_ends].

init_per_testcase(_, Config0) ->
    Config = pyport_lane_case:start([{stderr, null}, {stdout, null}], true,
                                    Config0),
    {Peer, Node} = py_context_SUITE:other_node(),
    OsPid = list_to_integer(erpc:call(Node, os, getpid, [])),
    Sink = erpc:call(Node, erlang, spawn, [timer, sleep, [infinity]]),
    [{peer, Peer}, {node, Node}, {node_os_pid, OsPid}, {sink, Sink} | Config].

end_per_testcase(_, Config) ->
    ok = go_on(Config),
    ok = peer:stop(proplists:get_value(peer, Config)),
    pyport_case:stop().

%% doc: both are named in turn, so that every run is short.
messages_to_several_nodes_arrive_in_their_order(Config) ->
    There = relay(Config),
    Here = self(),
    Numbers = lists:seq(1, 200),
    ok = utter(Config, [{send, pid_term(To), term_to_binary({Tag, N})}
                        || N <- Numbers, {Tag, To} <- [{here, Here},
                                                       {there, There}]]),
    [ok = utter(Config, [{send, pid_term(There), term_to_binary({there, N})}])
     || N <- [201, 202]],
    [N = got(here) || N <- Numbers],
    [N = got(there) || N <- Numbers ++ [201, 202]].

a_node_that_does_not_read_holds_up_no_call(Config) ->
    There = relay(Config),
    ok = stopped_and_full(Config),
    Large = {send, pid_term(There), term_to_binary({there, noise()})},
    ok = utter(Config, [Large, Large]),
    ok = utter(Config, [Large]),
    others_go_on(Config).

%% doc: those that the link delivers itself when nothing is in the way.
single_messages_to_a_node_that_does_not_read_hold_up_no_call(Config) ->
    There = relay(Config),
    ok = stopped_and_full(Config),
    [ok = utter(Config, [{send, pid_term(There), term_to_binary({there, N})}])
     || N <- [1, 2, 3]],
    others_go_on(Config).

an_answer_to_a_node_that_does_not_read_holds_up_no_call(Config) ->
    {Link, Number} = place(Config),
    There = relay(Config),
    Ask = fun() ->
              Link ! {request, There, n, call, Number, none, 0, ?CALL_MS,
                      term_to_binary(seen)}
          end,
    %% From here on the link knows this caller.
    _ = Ask(),
    16#80 = got(n),
    ok = stopped_and_full(Config),
    _ = [Ask() || _ <- [1, 2, 3]],
    others_go_on(Config).

what_a_stopped_node_missed_arrives_in_its_order(Config) ->
    There = relay(Config),
    To = pid_term(There),
    Numbers = lists:seq(1, 100),
    ok = stopped_and_full(Config),
    [ok = utter(Config, [{send, To, term_to_binary({there, N})}])
     || N <- Numbers],
    ok = utter(Config, [{send, To, term_to_binary({there, N})}
                        || N <- [101, 102]]),
    ok = go_on(Config),
    [N = got(there) || N <- Numbers ++ [101, 102]].

a_courier_without_work_ends(Config) ->
    {Link, _} = place(Config),
    Before = links(Link),
    There = relay(Config),
    [begin
         ok = utter(Config, [{send, pid_term(To), term_to_binary({Tag, N})}
                             || {Tag, To} <- [{here, self()}, {there, There}],
                                N <- [1, 2]]),
         Couriers = links(Link) -- Before,
         2 = length(Couriers),
         Monitors = [monitor(process, Courier) || Courier <- Couriers],
         [_ = py_case:down(Monitor) || Monitor <- Monitors],
         [N = got(Tag) || Tag <- [here, there], N <- [1, 2]]
     end || _ <- [1, 2]],
    others_go_on(Config).

%% Internal.

%% A process of the other node that sends on what it gets.
relay(Config) ->
    erpc:call(proplists:get_value(node, Config), ?MODULE, spawn_relay,
              [self()]).

spawn_relay(To) -> spawn(?MODULE, send_on, [To]).

send_on(To) ->
    receive
        {Ref, Kind, _Answer} -> To ! {Ref, Kind};
        Message -> To ! Message
    end,
    send_on(To).

%% The other node does not read, and nothing more fits on its way: what is
%% sent is refused, and the kernel takes nothing more of it either.
stopped_and_full(Config) ->
    ok = pyport_lane_case:signal("STOP", node_os_pid(Config)),
    full(Config, noise(), ?FULL_ROUNDS, ?FILLS_MAX).

full(_, _, 0, _) ->
    ok;
full(Config, Noise, Rounds, Times) when Times > 0 ->
    Sink = proplists:get_value(sink, Config),
    case pyport_courier:send_now(Sink, Noise) of
        true ->
            full(Config, Noise, ?FULL_ROUNDS, Times - 1);
        false ->
            {ok, _} = call(Config, seen),
            full(Config, Noise, Rounds - 1, Times)
    end.

noise() -> pyport_lane_case:noise(?FILL_BYTES).

node_os_pid(Config) -> proplists:get_value(node_os_pid, Config).

go_on(Config) ->
    pyport_lane_case:signal("CONT", node_os_pid(Config)).

%% What local processes get is not held up.
others_go_on(Config) ->
    {ok, _} = call(Config, seen),
    ok = utter(Config, [{send, pid_term(self()), term_to_binary({n, N})}
                        || N <- [1, 2]]),
    [N = got(n) || N <- [1, 2]],
    ok.

links(Link) ->
    {links, Links} = process_info(Link, links),
    Links.
