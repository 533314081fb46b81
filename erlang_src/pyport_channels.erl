%% @private
%% @doc The channels that a link knows: who owns each, who waits for room in
%% it and who for a message.
%%
%% The state is the dictionary of the link: {@link pyport_channel_entry} is a
%% channel, `channel_floor' the last number of programs that are gone. {@link
%% pyport_owners} has the owners.
%%
%% Whoever waits for a message is given it by the link, in turn. There are
%% such waiters only while everything that arrived is claimed, so nobody else
%% can be faster. Whoever waits for room is told to look again.
-module(pyport_channels).

-export([new/3, command/1, event/2, arrived/2, pressure/1, down/2, gone/1]).
-export([floor/0]).

-export_type([command/0]).

-import(pyport_channel_cells, [arrived/1, claimed/1]).
-import(pyport_channel_entry, [cells/1, set/2]).

-type cells() :: pyport_channel_cells:handle().
-type channel_number() :: pos_integer().
%% Whoever waits gets `{Reply, Answer}'.
-type command() ::
        {close, channel_number()}
      | {closed_long, channel_number()}
      | {nothing_more, channel_number()}
      | {counted, channel_number(), Bytes :: non_neg_integer(),
         Held :: pos_integer()}
      | {ask, channel_number()}
      | {room, channel_number(), sender()}
      | {next, channel_number(), receiver()}
      | {cancel, channel_number(), {pid(), Reply :: reference()}}
      | {done, channel_number(), pid()}
      | {taken, channel_number()}
      | {give, channel_number(), Reply :: reference(), Caller :: pid(),
         NewOwner :: pid()}
      | {owner, channel_number(), Reply :: reference()}.
-type channel() :: pyport_channel_entry:entry().
-type sender() :: pyport_channel_entry:sender().
-type receiver() :: pyport_channel_entry:receiver().
-type effect() :: pyport_objects:effect().

%% @doc Names a new channel, unless there are too many.
-spec new(pyport_object:new(), pyport_lanes:key(), pos_integer()) ->
          {ok, iolist()} | error.
new({Reply, Owner, Cells, New}, Key, Max) ->
    case pyport_owners:next(channels, Max) of
        {ok, Number} ->
            ok = pyport_channel_cells:name(Cells, Key, Number),
            ok = set(Number, pyport_channel_entry:new(Cells, Owner)),
            ok = pyport_owners:add(channels, Owner, Number),
            Reply ! {Reply, ok},
            {ok, pyport_wire_channel:new(Number, New)};
        {error, _} = Error ->
            Reply ! {Reply, Error},
            error
    end.

%% @doc Channels up to this number are gone with their programs.
-spec floor() -> non_neg_integer().
floor() ->
    case get(channel_floor) of
        undefined -> 0;
        Floor -> Floor
    end.

%% @doc What a process asks. A channel that is not known any more is at its
%% end, and its cells say so.
-spec command(command()) -> [effect()].
command(Command) ->
    case pyport_channel_entry:find(element(2, Command)) of
        undefined -> unknown(Command);
        Channel -> command(Command, Channel)
    end.

-spec unknown(command()) -> [].
unknown({room, _, {_, Reply, _}}) -> tell(Reply, look);
unknown({next, _, {_, Reply}}) -> tell(Reply, look);
unknown({cancel, _, {Pid, Reply}}) -> cancelled(Pid, Reply);
unknown({done, _, Pid}) -> left(Pid);
unknown({give, _, Reply, _, _}) -> tell(Reply, {error, closed});
unknown({owner, _, Reply}) -> tell(Reply, undefined);
unknown(_) -> [].

-spec tell(reference(), term()) -> [].
tell(Reply, Answer) ->
    Reply ! {Reply, Answer},
    [].

-spec command(command(), channel()) -> [effect()].
command({close, Number}, Channel) ->
    pyport_channel_ends:close(Number, Channel);
command({closed_long, Number}, Channel) ->
    pyport_channel_ends:closed_long(Number, Channel);
command({nothing_more, Number}, Channel) ->
    [message(channel_close, Number, none)
     || not pyport_channel_entry:is_forgotten(Channel)];
command({counted, Number, Bytes, Held}, Channel) ->
    pyport_channel_ends:counted(Number, Bytes, Held, Channel);
command({ask, Number}, _) ->
    ok = pyport_channel_entry:wake(Number),
    [message(channel_wait, Number, none)];
command({room, Number, Sender}, Channel) ->
    wait_for_room(Number, Sender, Channel);
command({next, Number, Receiver}, Channel) ->
    wait_for_next(Number, Receiver, Channel);
command({cancel, _, {Pid, Reply}}, _) ->
    cancelled(Pid, Reply);
command({done, _, Pid}, _) ->
    left(Pid);
command({taken, Number}, Channel) ->
    taken(Number, Channel);
command({give, Number, Reply, Caller, New}, Channel) ->
    tell(Reply, give(pyport_channel_entry:owner(Channel), Caller, New, Number,
                     Channel));
command({owner, _, Reply}, Channel) ->
    tell(Reply, pyport_channel_entry:owner(Channel)).

%% One who was given a message or was told to look meanwhile finds that in
%% place of this.
-spec cancelled(pid(), reference()) -> [].
cancelled(Pid, Reply) ->
    [] = left(Pid),
    tell(Reply, cancelled).

%% The room that a process waited for, or was told of, may do for the next one.
-spec left(pid()) -> [].
left(Pid) ->
    ok = case pyport_channel_entry:leave(Pid) of
             none -> ok;
             Number -> pyport_channel_entry:wake(Number)
         end,
    [].

-spec give(pid(), pid(), pid(), channel_number(), channel()) ->
          ok | {error, not_owner}.
give(Owner, Owner, New, Number, Channel) ->
    ok = pyport_owners:give(channels, Owner, New, Number),
    set(Number, pyport_channel_entry:set_owner(New, Channel));
give(_, _, _, _, _) ->
    {error, not_owner}.

-spec message(pyport_wire_channel:op(), channel_number(),
              non_neg_integer() | pyport_wire_channel:taken() | none) ->
          effect().
message(Op, Number, Data) ->
    {link, pyport_wire_channel:message(Op, Number, Data)}.

%% ends

%% Both ends at once: what was not received is lost.
-spec lost(channel_number(), channel()) -> ok.
lost(Number, Channel) ->
    Cells = cells(Channel),
    _ = pyport_channel_cells:close_sending(Cells),
    ok = pyport_channel_cells:cut_off(Cells),
    _ = both_ended(Channel),
    pyport_channel_entry:erase(Number).

-spec both_ended(channel()) -> channel().
both_ended(Channel) ->
    pyport_channel_entry:end_receivers(
      pyport_channel_entry:wake_all_senders(Channel)).

-spec forget_if_drained(channel_number(), channel()) -> [].
forget_if_drained(Number, Channel) ->
    Cells = cells(Channel),
    case claimed(Cells) >= arrived(Cells) of
        true ->
            Owner = pyport_channel_entry:owner(Channel),
            ok = pyport_channel_entry:erase(Number),
            ok = pyport_owners:remove(channels, Owner, Number),
            [];
        false ->
            []
    end.

%% to Python

-spec wait_for_room(channel_number(), sender(), channel()) -> [effect()].
wait_for_room(Number, {_, Reply, Bytes} = Sender, Channel) ->
    Cells = cells(Channel),
    IsOver = pyport_channel_cells:is_closed(Cells),
    HasRoom = pyport_channel_out:is_open()
        andalso pyport_channel_cells:room(Cells) >= Bytes,
    if
        IsOver; HasRoom ->
            tell(Reply, look);
        true ->
            ok = pyport_channel_entry:add_sender(Number, Sender, Channel),
            asked(Number, Cells)
    end.

-spec asked(channel_number(), cells()) -> [effect()].
asked(Number, Cells) ->
    NowMs = erlang:monotonic_time(millisecond),
    [message(channel_wait, Number, none)
     || pyport_channel_cells:may_ask(Cells, NowMs)].

%% @doc The program holds too much for all channels, or not any more.
-spec pressure(boolean()) -> ok.
pressure(true) ->
    pyport_channel_out:set_pressure(true);
pressure(false) ->
    ok = pyport_channel_out:set_pressure(false),
    lists:foreach(fun({Number, Channel}) ->
                      pyport_channel_entry:wake_senders(Number, Channel)
                  end, pyport_channel_entry:all()).

%% to Erlang

-spec wait_for_next(channel_number(), receiver(), channel()) -> [].
wait_for_next(Number, {_, Reply} = Receiver, Channel) ->
    Cells = cells(Channel),
    IsOver = pyport_channel_cells:is_ended(Cells),
    HasMore = claimed(Cells) < arrived(Cells),
    if
        IsOver; HasMore ->
            tell(Reply, look);
        true ->
            ok = pyport_channel_entry:add_receiver(Number, Receiver, Channel),
            []
    end.

%% @doc Takes what a batch begins with of messages for this channel.
-spec arrived(channel_number(), binary()) ->
          {Count :: non_neg_integer(), Rest :: binary(), [effect()]}.
arrived(Number, Batch) ->
    {Count, Segment, Rest} = pyport_channel_segments:cut(Batch, Number),
    case pyport_channel_entry:find(Number) of
        Channel when Channel =/= undefined, Count > 0 ->
            {Count, Rest, put_down(Number, Count, Segment, Channel)};
        _ ->
            {Count, Rest, []}
    end.

-spec put_down(channel_number(), non_neg_integer(),
               pyport_channel_segments:content(), channel()) -> [effect()].
put_down(Number, 0, _, Channel) ->
    told(Number, Channel);
put_down(Number, Count, Content, Channel) ->
    Cells = cells(Channel),
    case pyport_channel_entry:next_receiver(Channel) of
        {none, Left} ->
            Key = pyport_channel_cells:key(Cells),
            ok = pyport_channel_segments:add({Key, Number}, arrived(Cells),
                                             Count, Content),
            ok = pyport_channel_cells:arrive(Cells, Count),
            told(Number, Left);
        {Receiver, Left} ->
            {Message, Others} = pyport_channel_segments:first(Content),
            ok = deliver(Receiver, Message, Cells),
            ok = set(Number, Left),
            put_down(Number, Count - 1, Others, Left)
    end.

-spec deliver(receiver(), binary(), cells()) -> ok.
deliver({_, Reply}, Message, Cells) ->
    ok = pyport_channel_cells:claim_next(Cells),
    _ = pyport_channel_cells:receive_bytes(Cells, byte_size(Message)),
    Reply ! {Reply, {message, Message}},
    ok.

%% Those who take from segments say so themselves.
-spec told(channel_number(), channel()) -> [effect()].
told(Number, Channel) ->
    Cells = cells(Channel),
    case pyport_channel_cells:untold(Cells) of
        {ok, {UpTo, _} = Taken} ->
            IsTime = pyport_channel_cells:is_step(Cells, UpTo) orelse
                pyport_channel_cells:is_wanted(Cells)
                andalso claimed(Cells) >= arrived(Cells),
            [tell_taken(Number, Taken, Cells) || IsTime];
        none ->
            []
    end.

%% Who waits is to hear of the next step or of the empty queue, whatever was
%% told before.
-spec tell_taken(channel_number(), pyport_wire_channel:taken(), cells()) ->
          effect().
tell_taken(Number, {UpTo, _} = Taken, Cells) ->
    IsAll = pyport_channel_cells:is_step(Cells, UpTo)
        orelse claimed(Cells) >= arrived(Cells),
    ok = pyport_channel_cells:set_told(Cells, Taken),
    _ = [ok = pyport_channel_cells:set_wanted(Cells, false) || IsAll],
    message(channel_taken, Number, Taken).

-spec taken(channel_number(), channel()) -> [effect()].
taken(Number, Channel) ->
    case pyport_channel_entry:is_forgotten(Channel) of
        true -> forget_if_drained(Number, Channel);
        false -> told(Number, Channel)
    end.

%% @doc What the program says.
-spec event(non_neg_integer(), pyport_wire_channel:event()) -> [effect()].
event(0, wait) ->
    lists:append([event(wait, Number, Channel)
                  || {Number, Channel} <- pyport_channel_entry:all()]);
event(Number, Event) ->
    case pyport_channel_entry:find(Number) of
        undefined -> [];
        Channel -> event(Event, Number, Channel)
    end.

-spec event(pyport_wire_channel:event(), channel_number(), channel()) ->
          [effect()].
event({message, Message}, Number, Channel) ->
    put_down(Number, 1, {one, Message}, Channel);
event({credit, UpTo}, Number, Channel) ->
    ok = pyport_channel_cells:set_taken(cells(Channel), UpTo),
    ok = pyport_channel_entry:wake(Number),
    [];
event({closed, too_many}, Number, Channel) ->
    event(forgotten, Number, Channel);
event({closed, _}, Number, Channel) ->
    Ended = pyport_channel_entry:end_receivers(Channel),
    pyport_channel_ends:close(Number, Ended);
event(forgotten, Number, Channel) ->
    _ = pyport_channel_cells:close_sending(cells(Channel)),
    Forgotten = pyport_channel_entry:set_forgotten(both_ended(Channel)),
    ok = set(Number, Forgotten),
    forget_if_drained(Number, Forgotten);
event(wait, Number, Channel) ->
    Cells = cells(Channel),
    ok = pyport_channel_cells:set_wanted(Cells, true),
    case {pyport_channel_entry:is_forgotten(Channel),
          pyport_channel_cells:untold(Cells)} of
        {true, _} -> forget_if_drained(Number, Channel);
        {false, {ok, UpTo}} -> [tell_taken(Number, UpTo, Cells)];
        {false, none} -> []
    end.

%% @doc A process died. Its channels are dropped; it waits at none.
-spec down(pid(), pyport_writers:left()) -> [effect()].
down(Pid, Left) ->
    [] = left(Pid),
    _ = [ok = pyport_channel_ends:torn(Number, Bytes)
         || {channel, Number, Bytes} <- [Left]],
    lists:append([drop(Number, Pid)
                  || Number <- pyport_owners:owned(channels, Pid)]).

-spec drop(channel_number(), pid()) -> [effect()].
drop(Number, Owner) ->
    Channel = pyport_channel_entry:find(Number),
    ok = lost(Number, Channel),
    Key = pyport_channel_cells:key(cells(Channel)),
    ok = pyport_channel_segments:purge(Key, Number),
    ok = pyport_owners:remove(channels, Owner, Number),
    [message(channel_drop, Number, none)].

%% @doc The program is gone: every channel is at its end.
-spec gone(pyport_lanes:key() | none) -> ok.
gone(Key) ->
    _ = [lost(Number, Channel)
         || {Number, Channel} <- pyport_channel_entry:all()],
    _ = [pyport_channel_segments:purge(Key) || Key =/= none],
    _ = put(channel_floor, pyport_owners:last(channels)),
    ok = pyport_channel_out:gone(),
    pyport_owners:forget_all(channels).
