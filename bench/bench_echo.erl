%% The bare echo port: what a round trip through a port costs at least.
-module(bench_echo).

-export([open/1, close/1, round_trip/2]).

-spec open(block | spin | sink) -> port().
open(Mode) ->
    Program = filename:absname("build/bench/echo_port"),
    Options = [
        {args, [atom_to_list(Mode)]},
        {packet, 4},
        binary,
        nouse_stdio,
        exit_status
    ],
    open_port({spawn_executable, Program}, Options).

-spec close(port()) -> ok.
close(Port) ->
    true = port_close(Port),
    ok.

-spec round_trip(port(), binary()) -> ok.
round_trip(Port, Packet) ->
    true = port_command(Port, Packet),
    receive
        {Port, {data, Packet}} -> ok
    end.
