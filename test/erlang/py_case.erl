%% What the suites share: the application, an event from Python, a stranger.
-module(py_case).

-export([start/1, stop/1, programs/0, with_programs/1]).
-export([announced/1, listen/0, kill/1, gone/1, down/1, text/1]).

-define(WAIT_MS, 10000).

%% The application with the given environment, and only that.
start(Env) ->
    ok = stop(Env),
    _ = application:load(pyport),
    [ok = application:set_env(pyport, Key, Value) || {Key, Value} <- Env],
    {ok, _} = application:ensure_all_started(pyport),
    ok.

%% A test case is linked to the contexts that it made, and they end with the
%% application.
stop(_) ->
    Trapped = process_flag(trap_exit, true),
    _ = application:stop(pyport),
    _ = application:unload(pyport),
    _ = process_flag(trap_exit, Trapped),
    ok.

%% The directory of the Python programs that the suites use.
programs() ->
    find_programs(filename:dirname(code:which(?MODULE))).

%% Makes the programs importable in every context that is created from now on.
with_programs(Options) ->
    Options#{python_path => [programs()]}.

%% A place where Python announces that it runs: test/programs/announce.py.
listen() ->
    {ok, Listen} = gen_tcp:listen(0, [
        binary, {active, false}, {ip, {127, 0, 0, 1}}
    ]),
    {ok, Port} = inet:port(Listen),
    {Listen, Port}.

%% Waits for the announcement; the socket lets the program go on when it is
%% written to or closed.
announced(Listen) ->
    {ok, Socket} = gen_tcp:accept(Listen, ?WAIT_MS),
    Socket.

%% Kills a process and waits for its end.
kill(Pid) ->
    Monitor = monitor(process, Pid),
    true = exit(Pid, kill),
    killed = down(Monitor),
    ok.

%% Waits for the end of a process.
gone(Pid) ->
    Monitor = monitor(process, Pid),
    down(Monitor).

down(Monitor) ->
    receive
        {'DOWN', Monitor, process, _, Reason} -> Reason
    after ?WAIT_MS -> error(still_alive)
    end.

text(Term) ->
    lists:flatten(io_lib:format("~tp", [Term])).

%% Internal.

%% The suites may run from a copy below the build directory.
find_programs("/") ->
    error(no_programs);
find_programs(Dir) ->
    Programs = filename:join([Dir, "test", "programs"]),
    case filelib:is_regular(filename:join(Programs, "announce.py")) of
        true -> Programs;
        false -> find_programs(filename:dirname(Dir))
    end.
