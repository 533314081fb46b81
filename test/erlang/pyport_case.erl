%% What the suites of the data and control plane share: hosts of a fake
%% program, without the rest of the application.
-module(pyport_case).

-export([start/1, stop/0, host/0, host/1, context/1, call/3, call/4, async/3]).
-export([await/1, until_seen/3, await_lane/3, fake/0]).

-define(WAIT_MS, 20000).

%% The supervisor of hosts, with these settings.
start(Settings) ->
    _ = application:stop(pyport),
    {ok, Config} = pyport_config:check([{program, fake()} | Settings]),
    {ok, Supervisor} = pyport_hosts:start_link(),
    true = unlink(Supervisor),
    ok = pyport_hosts:configure(Config).

stop() ->
    gen_server:stop(pyport_hosts, shutdown, ?WAIT_MS).

%% A host that comes back.
host() ->
    {ok, Host} = host(#{}),
    Host.

host(Options) ->
    Permanent = #{kind => shared, restart => permanent},
    pyport_hosts:start_host(maps:merge(Permanent, Options)).

%% {Link, Number} of a new context.
context(Host) ->
    {ok, Link, Number} = pyport_host:open_context(Host, #{}),
    {Link, Number}.

call(Place, Term, Timeout) ->
    call(Place, Term, none, Timeout).

call({Link, Number}, Term, Env, Timeout) ->
    case pyport_link:request(Link, call, Number, Env, 0, Timeout,
                             term_to_binary(Term)) of
        {ok, Answer} -> {ok, binary_to_term(Answer)};
        Other -> Other
    end.

%% A caller of its own; await/1 gives what it got.
async(Place, Term, Timeout) ->
    spawn_monitor(fun() -> exit({got, call(Place, Term, Timeout)}) end).

await({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {got, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    after ?WAIT_MS ->
        error(no_answer)
    end.

%% Asks the fake what it has seen until it has seen this. Each question is
%% a round trip, and there are so many at most.
until_seen(Place, What, Times) when Times > 0 ->
    {ok, Seen} = call(Place, seen, 5000),
    case binary:match(Seen, What) of
        nomatch -> until_seen(Place, What, Times - 1);
        _ -> ok
    end.

%% Until the link has the bulk lane of its program, or at once if it is to
%% have none. Each question is a round trip.
await_lane(_, false, _) ->
    ok;
await_lane(Link, true, Times) when Times > 0 ->
    case ets:match(pyport_lanes, {'_', Link, '$1'}) of
        [[none]] ->
            {ok, _} = pyport_link:control(Link, info, none, ?WAIT_MS),
            await_lane(Link, true, Times - 1);
        [[_]] ->
            ok
    end.

fake() ->
    filename:join(programs(filename:dirname(code:which(?MODULE))),
                  "fake_host.py").

programs("/") ->
    error(no_programs);
programs(Dir) ->
    Programs = filename:join([Dir, "test", "programs"]),
    case filelib:is_regular(filename:join(Programs, "fake_host.py")) of
        true -> Programs;
        false -> programs(filename:dirname(Dir))
    end.
