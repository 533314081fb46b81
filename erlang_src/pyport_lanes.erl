%% @private
%% @doc Where the programs of this node are: `{Key, Link, Socket | none}'.
%%
%% Each start of a program has a key of its own, so that the handle of a
%% buffer never leads to the next program of the same link. Writers read the
%% table directly; the row is the link's. It belongs to the supervisor of
%% hosts.
-module(pyport_lanes).

-export([create/0, open/1, connect/2, close/1, purge/1, find/1]).

-export_type([key/0]).

-type key() :: pos_integer().

-define(TABLE, ?MODULE).

-spec create() -> ok.
create() ->
    case ets:whereis(?TABLE) of
        undefined ->
            ?TABLE = ets:new(?TABLE, [named_table, public, set,
                                      {read_concurrency, true}]),
            ok;
        _ ->
            ok
    end.

%% @doc A program was started behind this link.
-spec open(pid()) -> key().
open(Link) ->
    Key = erlang:unique_integer([positive]),
    true = ets:insert(?TABLE, {Key, Link, none}),
    Key.

%% @doc Its bulk lane is there.
-spec connect(key(), inet:socket()) -> ok.
connect(Key, Socket) ->
    _ = ets:update_element(?TABLE, Key, {3, Socket}),
    ok.

-spec close(key()) -> ok.
close(Key) ->
    true = ets:delete(?TABLE, Key),
    ok.

%% @doc Removes what a link that was killed has left.
-spec purge(pid()) -> ok.
purge(Link) ->
    true = ets:match_delete(?TABLE, {'_', Link, '_'}),
    ok.

-spec find(key()) -> {pid(), none | inet:socket()} | gone.
find(Key) ->
    try ets:lookup(?TABLE, Key) of
        [{_, Link, Socket}] -> {Link, Socket};
        [] -> gone
    catch
        %% The application is not running: there is no table.
        error:badarg -> gone
    end.
