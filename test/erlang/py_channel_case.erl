%% What the suites of channels on the real program share.
-module(py_channel_case).

-export([start/2, call/3, collect/2, until/2, mixed/2, announced/3]).

-import(py_buffer_case, [ctx/1, async/1]).

-define(QUESTIONS_MAX, 100000).

start(Settings, Config) ->
    Started = py_buffer_case:start(Settings, Config),
    {ok, #{os_pid := _}} = py:host_info(ctx(Started)),
    {Link, _} = pyport_call:place(ctx(Started)),
    ok = pyport_case:await_lane(Link, true, ?QUESTIONS_MAX),
    Started.

call(Config, Function, Args) ->
    py_context:call(ctx(Config), talks, Function, Args).

%% A process that waits in Python code that begins with an announcement; a
%% byte on the socket lets it go on.
announced(Config, Function, Args) ->
    {Listen, Port} = py_case:listen(),
    Running = async(fun() -> call(Config, Function, [Port | Args]) end),
    {Running, py_case:announced(Listen)}.

%% What is received until the end.
collect(Module, Channel) ->
    case Module:recv(Channel) of
        {ok, Term} -> [Term | collect(Module, Channel)];
        {error, closed} -> []
    end.

%% Asks until the answer is yes; each question is a round trip.
until(Question, Times) when Times > 0 ->
    case Question() of
        true -> ok;
        false -> until(Question, Times - 1)
    end.

%% So many random bytes, each a message; small ones, and some for the lane.
mixed(Count, Max) ->
    [rand:bytes(case rand:uniform(3) of
                    1 -> rand:uniform(Max);
                    _ -> rand:uniform(100)
                end) || _ <- lists:seq(1, Count)].
