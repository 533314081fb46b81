%% @private
%% @doc One channel as its link knows it: its owner, and who waits at it.
%%
%% It is in the dictionary of the link as `{channel, Number}'. `{at_channel,
%% Pid}' is where a process waits: the channel and its turn. Whoever waits gets
%% `{Reply, look}' when there may be something for it. A sender that was told
%% so is `{woken, Pid}' until it says that it is through: if it dies, the room
%% that it was told of is for the next one; if others were faster, it has its
%% turn again.
-module(pyport_channel_entry).

-export([new/2, find/1, set/2, erase/1, all/0]).
-export([cells/1, owner/1, set_owner/2, is_forgotten/1, set_forgotten/1]).
-export([ending/1, set_ending/2, held/1, set_held/2]).
-export([add_sender/3, wake/1, wake_senders/2, wake_all_senders/1]).
-export([add_receiver/3, next_receiver/1, end_receivers/1]).
-export([leave/1, look/1]).

-export_type([entry/0, sender/0, receiver/0, ending/0]).

-type cells() :: pyport_channel_cells:handle().
-type channel_number() :: pos_integer().
-type sender() :: {pid(), Reply :: reference(), Bytes :: non_neg_integer()}.
-type receiver() :: {pid(), Reply :: reference()}.
-type turn() :: non_neg_integer().
%% Has the program been told that nothing more is sent? `late': a while ago,
%% and somebody was still sending.
-type ending() :: open | told | late.

-record(channel, {
    cells :: cells(),
    owner :: pid(),
    %% first come, first served
    turn = 0 :: turn(),
    senders = gb_trees:empty() :: gb_trees:tree(turn(), sender()),
    receivers = gb_trees:empty() :: gb_trees:tree(turn(), receiver()),
    ending = open :: ending(),
    %% bytes of places whose senders died, and may not have sent them
    held = 0 :: non_neg_integer(),
    %% the program knows it no more
    is_forgotten = false :: boolean()
}).
-opaque entry() :: #channel{}.

-spec new(cells(), pid()) -> entry().
new(Cells, Owner) -> #channel{cells = Cells, owner = Owner}.

-spec find(channel_number()) -> entry() | undefined.
find(Number) -> get({channel, Number}).

-spec set(channel_number(), entry()) -> ok.
set(Number, Channel) ->
    _ = put({channel, Number}, Channel),
    ok.

-spec erase(channel_number()) -> ok.
erase(Number) ->
    _ = erlang:erase({channel, Number}),
    ok.

-spec all() -> [{channel_number(), entry()}].
all() -> [{Number, Channel} || {{channel, Number}, Channel} <- get()].

-spec cells(entry()) -> cells().
cells(#channel{cells = Cells}) -> Cells.

-spec owner(entry()) -> pid().
owner(#channel{owner = Owner}) -> Owner.

-spec set_owner(pid(), entry()) -> entry().
set_owner(Owner, Channel) -> Channel#channel{owner = Owner}.

%% @doc Does the program know it no more?
-spec is_forgotten(entry()) -> boolean().
is_forgotten(#channel{is_forgotten = IsForgotten}) -> IsForgotten.

-spec set_forgotten(entry()) -> entry().
set_forgotten(Channel) -> Channel#channel{is_forgotten = true}.

-spec ending(entry()) -> ending().
ending(#channel{ending = Ending}) -> Ending.

-spec set_ending(ending(), entry()) -> entry().
set_ending(Ending, Channel) -> Channel#channel{ending = Ending}.

%% @doc How many bytes have a place whose senders died on the way.
-spec held(entry()) -> non_neg_integer().
held(#channel{held = Held}) -> Held.

-spec set_held(non_neg_integer(), entry()) -> entry().
set_held(Held, Channel) -> Channel#channel{held = Held}.

-spec look(reference()) -> ok.
look(Reply) ->
    Reply ! {Reply, look},
    ok.

%% A process waits at one channel at a time.
-spec waits(pid(), channel_number(), turn()) -> ok.
waits(Pid, Number, Turn) ->
    ok = pyport_callers:meet(Pid),
    _ = put({at_channel, Pid}, {Number, Turn}),
    ok.

%% for room

-spec add_sender(channel_number(), sender(), entry()) -> ok.
add_sender(Number, {Pid, _, _} = Sender,
           #channel{turn = Next, senders = Senders} = Channel) ->
    Turn = case erlang:erase({woken, Pid}) of
               {Number, Before} -> Before;
               _ -> Next
           end,
    ok = waits(Pid, Number, Turn),
    set(Number, Channel#channel{turn = max(Next, Turn + 1),
                                senders = gb_trees:insert(Turn, Sender,
                                                          Senders)}).

%% @doc The same for a channel that may not be there any more.
-spec wake(channel_number()) -> ok.
wake(Number) ->
    case find(Number) of
        undefined -> ok;
        Channel -> wake_senders(Number, Channel)
    end.

%% @doc Those who wait for room look again, as many as have room together.
-spec wake_senders(channel_number(), entry()) -> ok.
wake_senders(Number, #channel{cells = Cells, senders = Senders} = Channel) ->
    IsOpen = pyport_channel_out:is_open(),
    case gb_trees:is_empty(Senders) of
        IsEmpty when IsEmpty; not IsOpen ->
            ok;
        false ->
            Room = pyport_channel_cells:room(Cells),
            Left = wake_within(Room, Number, Senders),
            set(Number, Channel#channel{senders = Left})
    end.

-spec wake_within(integer() | infinity, channel_number(),
                  gb_trees:tree(turn(), sender())) ->
          gb_trees:tree(turn(), sender()).
wake_within(Room, Number, Senders) ->
    case gb_trees:is_empty(Senders) of
        true ->
            Senders;
        false ->
            {Turn, {Pid, Reply, Bytes}, Others} =
                gb_trees:take_smallest(Senders),
            if
                Bytes > Room ->
                    Senders; %% never with infinity: an atom is more
                true ->
                    _ = erlang:erase({at_channel, Pid}),
                    _ = put({woken, Pid}, {Number, Turn}),
                    ok = look(Reply),
                    wake_within(less(Room, Bytes), Number, Others)
            end
    end.

-spec less(integer() | infinity, non_neg_integer()) -> integer() | infinity.
less(infinity, _) -> infinity;
less(Room, Bytes) -> Room - Bytes.

%% @doc There is no more room to wait for.
-spec wake_all_senders(entry()) -> entry().
wake_all_senders(#channel{senders = Senders} = Channel) ->
    ok = lists:foreach(fun({Pid, Reply, _}) -> ended(Pid, Reply) end,
                       gb_trees:values(Senders)),
    Channel#channel{senders = gb_trees:empty()}.

-spec ended(pid(), reference()) -> ok.
ended(Pid, Reply) ->
    _ = erlang:erase({at_channel, Pid}),
    look(Reply).

%% for a message

-spec add_receiver(channel_number(), receiver(), entry()) -> ok.
add_receiver(Number, {Pid, _} = Receiver,
             #channel{turn = Turn, receivers = Receivers} = Channel) ->
    ok = waits(Pid, Number, Turn),
    set(Number, Channel#channel{turn = Turn + 1,
                                receivers = gb_trees:insert(Turn, Receiver,
                                                            Receivers)}).

%% @doc Whose turn it is.
-spec next_receiver(entry()) -> {receiver() | none, entry()}.
next_receiver(#channel{receivers = Receivers} = Channel) ->
    case gb_trees:is_empty(Receivers) of
        true ->
            {none, Channel};
        false ->
            {_, {Pid, _} = Receiver, Others} =
                gb_trees:take_smallest(Receivers),
            _ = erlang:erase({at_channel, Pid}),
            Left = Channel#channel{receivers = Others},
            case is_process_alive(Pid) of
                true -> {Receiver, Left};
                false -> next_receiver(Left)
            end
    end.

%% @doc Nothing more comes.
-spec end_receivers(entry()) -> entry().
end_receivers(#channel{cells = Cells, receivers = Receivers} = Channel) ->
    ok = pyport_channel_cells:set_ended(Cells),
    ok = lists:foreach(fun({Pid, Reply}) -> ended(Pid, Reply) end,
                       gb_trees:values(Receivers)),
    Channel#channel{receivers = gb_trees:empty()}.

%% @doc A process waits no more, and was not woken either: the channel at which
%% the next one may have its turn.
-spec leave(pid()) -> channel_number() | none.
leave(Pid) ->
    Woken = erlang:erase({woken, Pid}),
    case {erlang:erase({at_channel, Pid}), Woken} of
        {{Number, Turn}, _} ->
            ok = leave(Number, Turn, find(Number)),
            Number;
        {undefined, {Number, _}} ->
            Number;
        {undefined, undefined} ->
            none
    end.

-spec leave(channel_number(), turn(), entry() | undefined) -> ok.
leave(_, _, undefined) ->
    ok;
leave(Number, Turn, #channel{senders = Senders,
                             receivers = Receivers} = Channel) ->
    set(Number, Channel#channel{
                  senders = gb_trees:delete_any(Turn, Senders),
                  receivers = gb_trees:delete_any(Turn, Receivers)}).
