%% @private
%% @doc Where the programs of this node are: `{Key, Link, Socket | none}', and
%% what is on its way to the links: `{Link, Casts}'.
%%
%% Each start of a program has a key of its own, so that the handle of a
%% buffer never leads to the next program of the same link. Writers read the
%% table directly; the rows are the link's. It belongs to the supervisor of
%% hosts.
%%
%% Casts are counted for each link, because a bound for each process bounds
%% nothing: the next process begins anew. A writer counts up what it has cast,
%% the link counts down what the program has read. A writer that is killed
%% between casting and counting makes the count too small by that message.
-module(pyport_lanes).

-export([create/0, open/1, connect/2, close/1, purge/1, find/1]).
-export([register/1, casts/1, count_up/2, count_down/2, weight/1]).
-export([gate/1, set_gate/2]).

-export_type([key/0, casts/0]).

-type key() :: pos_integer().
-opaque casts() :: atomics:atomics_ref().

%% What a message costs beside its content, in memory: many small ones are
%% large.
-define(MESSAGE_BYTES, 256).
-define(GONE, 4).

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

%% @doc Removes what a link that was killed has left. Those who remember its
%% casts see at the gate that it is gone. The keys that it had.
-spec purge(pid()) -> [key()].
purge(Link) ->
    _ = [set_gate(Casts, ?GONE) || Casts <- [casts(Link)], Casts =/= gone],
    Keys = ets:match(?TABLE, {'$1', Link, '_'}),
    true = ets:match_delete(?TABLE, {'_', Link, '_'}),
    true = ets:delete(?TABLE, Link),
    lists:append(Keys).

%% @doc A link begins: nothing is on its way to it.
-spec register(pid()) -> casts().
register(Link) ->
    Casts = atomics:new(2, [{signed, true}]),
    true = ets:insert(?TABLE, {Link, Casts}),
    Casts.

%% @doc Of a link of this node.
-spec casts(pid()) -> casts() | gone.
casts(Link) ->
    try ets:lookup(?TABLE, Link) of
        [{_, Casts}] -> Casts;
        [] -> gone
    catch
        error:badarg -> gone
    end.

%% @doc A message of so many bytes was cast; how much is on its way now.
-spec count_up(casts(), non_neg_integer()) -> integer().
count_up(Casts, MessageBytes) ->
    atomics:add_get(Casts, 1, weight(MessageBytes)).

-spec count_down(casts(), non_neg_integer()) -> ok.
count_down(Casts, Weight) -> atomics:sub(Casts, 1, Weight).

%% @doc May a channel be sent to over this link? 0: yes; 4 and more: it was
%% killed; else see {@link pyport_channel_out}.
-spec gate(casts()) -> 0..4.
gate(Casts) -> atomics:get(Casts, 2).

-spec set_gate(casts(), 0..4) -> ok.
set_gate(Casts, Gate) -> atomics:put(Casts, 2, Gate).

%% @doc What a message with so many bytes counts.
-spec weight(non_neg_integer()) -> pos_integer().
weight(MessageBytes) -> MessageBytes + ?MESSAGE_BYTES.

-spec find(key()) -> {pid(), none | inet:socket()} | gone.
find(Key) ->
    try ets:lookup(?TABLE, Key) of
        [{_, Link, Socket}] -> {Link, Socket};
        [] -> gone
    catch
        %% The application is not running: there is no table.
        error:badarg -> gone
    end.
