%% @private
%% @doc The callers that a link knows: which request each made last, and
%% which environments it used.
%%
%% The state is the process dictionary of the link, on purpose: it changes
%% with each request, and a map would be copied each time. A caller waits
%% for its answer, so it has one request in flight at most. Each is
%% monitored once and forgotten when it dies, so the table holds the living
%% only.
-module(pyport_callers).

-export([note/4, meet/1, is_known/1, forget/1]).

-export_type([env/0, place/0]).

-type env() :: none | own | pos_integer().
-type place() :: {Context :: non_neg_integer(), Env :: pos_integer()}.

%% Far from the small numbers that people choose for environments.
-define(ENV_BASE, (1 bsl 56)).

%% @doc Remembers a request, and answers the number of the environment that
%% it runs in. The environment of a process is named by its first request.
-spec note(pid(), pos_integer(), env(), non_neg_integer()) ->
          non_neg_integer().
note(Caller, Id, none, _Context) ->
    case get(Caller) of
        undefined ->
            _ = monitor(process, Caller),
            _ = put(Caller, Id),
            0;
        {_, Own, Places} ->
            _ = put(Caller, {Id, Own, Places}),
            0;
        _ ->
            _ = put(Caller, Id),
            0
    end;
note(Caller, Id, Env, Context) ->
    {Own, Places} = case get(Caller) of
                        {_, Known, Used} -> {Known, Used};
                        undefined ->
                            _ = monitor(process, Caller),
                            {?ENV_BASE + Id, []};
                        _ ->
                            {?ENV_BASE + Id, []}
                    end,
    Number = case Env of own -> Own; _ -> Env end,
    Place = {Context, Number},
    case lists:member(Place, Places) of
        true -> _ = put(Caller, {Id, Own, Places});
        false -> _ = put(Caller, {Id, Own, [Place | Places]})
    end,
    Number.

%% @doc Watches a caller whose request is not sent yet.
-spec meet(pid()) -> ok.
meet(Caller) ->
    case get(Caller) of
        undefined ->
            _ = monitor(process, Caller),
            _ = put(Caller, 0),
            ok;
        _ ->
            ok
    end.

-spec is_known(pid()) -> boolean().
is_known(Caller) ->
    get(Caller) =/= undefined.

%% @doc Drops a dead caller: the request it made last (0 is none) and the
%% environments to drop.
-spec forget(pid()) -> {non_neg_integer(), [place()]}.
forget(Caller) ->
    case erase(Caller) of
        undefined -> {0, []};
        {Id, _, Places} -> {Id, Places};
        Id -> {Id, []}
    end.
