%% @private
%% @doc Starts the application: configuration, supervisors, shared hosts,
%% default pool. A wrong value or a program that does not start is the
%% reason of a failed start.
-module(pyport_app).
-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) ->
          {ok, pid()} | {error, term()}.
start(_Type, _Arguments) ->
    case pyport_config:load() of
        {ok, Config} -> start(Config);
        {error, _} = Error -> Error
    end.

-spec start(pyport_config:config()) -> {ok, pid()} | {error, term()}.
start(#{atoms_max := AtomsMax} = Config) ->
    ok = pyport_term:init(AtomsMax),
    {ok, Supervisor} = pyport_sup:start_link(),
    case pyport_hosts:start_shared(Config) of
        ok -> start_pool(Supervisor, Config);
        {error, _} = Error -> give_up(Supervisor, Error)
    end.

-spec start_pool(pid(), pyport_config:config()) ->
          {ok, pid()} | {error, term()}.
start_pool(Supervisor, Config) ->
    case py_context_router:start(Config) of
        {error, _} = Error -> give_up(Supervisor, Error);
        _ -> {ok, Supervisor}
    end.

-spec give_up(pid(), {error, term()}) -> {error, term()}.
give_up(Supervisor, Error) ->
    Monitor = monitor(process, Supervisor),
    true = unlink(Supervisor),
    true = exit(Supervisor, shutdown),
    receive {'DOWN', Monitor, process, _, _} -> Error end.

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
