%% @private
%% @doc The callers that a link knows: which request each made last, and
%% which environments it owns.
%%
%% The state is the process dictionary of the link, on purpose: it changes
%% with each request, and a map would be copied each time. A caller waits
%% for its answer, so it has one request in flight at most. Each is
%% monitored once and forgotten when it dies, so the table holds the living
%% only.
%%
%% An environment belongs to the process that uses it first and goes with
%% it, or with its context; others may use it and take nothing along. The
%% owners of a context's environments are the entry `{context, Context}'.
-module(pyport_callers).

-export([note/4, meet/1, is_known/1, forget/1, close/1]).

-export_type([env/0, place/0]).

-type env() :: none | own | pos_integer().
-type place() :: {Context :: non_neg_integer(), Env :: pos_integer()}.
-type owners() :: #{Env :: pos_integer() => pid()}.
-type places() :: #{place() => []}.

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
    {Own, Places} = used(Caller, Id),
    Number = case Env of own -> Own; _ -> Env end,
    case owners(Context) of
        #{Number := _} ->
            _ = put(Caller, {Id, Own, Places});
        Owners ->
            _ = put({context, Context}, Owners#{Number => Caller}),
            _ = put(Caller, {Id, Own, Places#{{Context, Number} => []}})
    end,
    Number.

-spec used(pid(), pos_integer()) -> {Own :: pos_integer(), places()}.
used(Caller, Id) ->
    case get(Caller) of
        {_, Own, Places} ->
            {Own, Places};
        undefined ->
            _ = monitor(process, Caller),
            {?ENV_BASE + Id, #{}};
        _ ->
            {?ENV_BASE + Id, #{}}
    end.

-spec owners(non_neg_integer()) -> owners().
owners(Context) ->
    case get({context, Context}) of
        undefined -> #{};
        Owners -> Owners
    end.

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
        undefined ->
            {0, []};
        {Id, _, Places} ->
            All = maps:keys(Places),
            ok = lists:foreach(fun disown/1, All),
            {Id, All};
        Id ->
            {Id, []}
    end.

-spec disown(place()) -> ok.
disown({Context, Number}) ->
    Owners = maps:remove(Number, owners(Context)),
    _ = case map_size(Owners) of
            0 -> erase({context, Context});
            _ -> put({context, Context}, Owners)
        end,
    ok.

%% @doc A context is closed, and its environments are gone with it.
-spec close(non_neg_integer()) -> ok.
close(Context) ->
    Owners = owners(Context),
    _ = erase({context, Context}),
    maps:foreach(fun(Number, Caller) ->
                     {Id, Own, Places} = get(Caller),
                     Left = maps:remove({Context, Number}, Places),
                     put(Caller, {Id, Own, Left})
                 end, Owners).
