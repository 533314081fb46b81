%% @private
%% @doc The sending side of a channel, in the calling process, and what both
%% sides share.
%%
%% A message takes its place first ({@link pyport_channel_cells}), so a limit
%% is kept without asking anybody; then it goes to the link, or over the bulk
%% lane. Where the channel is that the process used last is in its dictionary.
%% What is called for a channel of another node is done there.
-module(pyport_channel).

-export([send_term/2, send_term/3, send_bytes/2, send_bytes/3]).
-export([close/2, give_away/4, info/2]).
%% pyport_channel_recv
-export([at/3]).
%% For other nodes.
-export([remote/3]).

-export_type([reason/0, kind/0]).

-type channel() :: pyport_channel_cells:handle().
-type kind() :: pyport_channel_cells:kind().
-type reason() ::
        closed | invalid_channel | timeout | not_owner
      | {too_large, Bytes :: pos_integer(), Max :: pos_integer()}
      | {overloaded, Current :: non_neg_integer(), Max :: pos_integer()}
      | {context_died, term()} | context_destroyed
      | {invalid_argument, atom(), binary()}
      | {invalid_option, term(), binary() | [atom()]}
      | {not_started, pyport} | {unknown_pool, atom()}.
-type sent() :: ok | busy
              | {error, closed | invalid_channel
                      | {too_large, pos_integer(), pos_integer()}}.
-type waited() :: ok
                | {error, closed | invalid_channel | timeout
                        | {too_large, pos_integer(), pos_integer()}
                        | {invalid_argument, atom(), binary()}}.
-type operation() :: {send, iodata()}
                   | {send, iodata(), timeout()}
                   | {give_away, Caller :: pid(), NewOwner :: pid()}
                   | close | info
                   | {recv, timeout(), Caller :: pid()} | try_receive.
%% The channel that this process sent to last.
-type target() :: {channel(), kind(), Max :: non_neg_integer(),
                   Number :: pos_integer(), Link :: pid(),
                   pyport_lanes:casts(), none | inet:socket()}.

-define(TARGET, '$pyport_channel').
%% From here on a binary is not copied to be encoded.
-define(COPIED_MAX, 2048).
%% A batch of one: what stands before a message in a packet.
-define(PACKET_BYTES, 14).
%% No packet is smaller than this may be.
-define(FRAME_BYTES_MIN, (4096 - ?PACKET_BYTES)).

%% sending

-spec send_term(term(), term()) -> sent().
send_term(Channel, Term) ->
    send(Channel, terms, encode(Term)).

-spec send_term(term(), term(), term()) -> waited().
send_term(Channel, Term, Timeout) ->
    send(Channel, terms, encode(Term), Timeout).

%% What term_to_binary/1 makes of a binary, without a copy if it is large.
-spec encode(term()) -> binary() | [binary(), ...].
encode(Term) when is_binary(Term), byte_size(Term) < ?COPIED_MAX ->
    <<131, 109, (byte_size(Term)):32, Term/binary>>;
encode(Term) when is_binary(Term), byte_size(Term) =< 16#FFFFFFFF ->
    [<<131, 109, (byte_size(Term)):32>>, Term];
encode(Term) ->
    term_to_binary(Term).

-spec send_bytes(term(), term()) ->
          sent() | pyport_args:invalid_argument().
send_bytes(Channel, Data) ->
    case bytes(Data) of
        {error, _} = Error -> Error;
        Bytes -> send(Channel, bytes, Bytes)
    end.

-spec send_bytes(term(), term(), term()) -> waited().
send_bytes(Channel, Data, Timeout) ->
    case bytes(Data) of
        {error, _} = Error -> Error;
        Bytes -> send(Channel, bytes, Bytes, Timeout)
    end.

-spec bytes(term()) -> binary() | pyport_args:invalid_argument().
bytes(Data) when is_binary(Data) ->
    Data;
bytes(Data) ->
    try
        iolist_to_binary(Data)
    catch
        error:badarg -> pyport_args:invalid(data, <<"iodata">>)
    end.

%% The first clause is the hot path.
-spec send(term(), kind(), iodata()) -> sent().
send(Channel, Kind, Message) ->
    case get(?TARGET) of
        {Channel, Kind, _, _, _, _, _} = Target ->
            put_in(Target, Message, iolist_size(Message));
        _ ->
            at(Channel, Kind, {send, Message})
    end.

-spec send(term(), kind(), iodata(), term()) -> waited().
send(Channel, Kind, Message, Timeout) ->
    case pyport_args:timeout(Timeout) of
        {ok, _} -> at(Channel, Kind, {send, Message, Timeout});
        Invalid -> Invalid
    end.

%% @doc Does something with a channel, where it is.
-spec at(term(), kind(), operation()) -> term().
at(Channel, Kind, Operation) ->
    case pyport_channel_cells:kind(Channel) of
        Kind ->
            run(Operation, Channel, Kind);
        none when is_reference(Channel), node(Channel) =/= node() ->
            case pyport_object:at(node(Channel), ?MODULE, remote,
                                  [Operation, Channel, Kind],
                                  invalid_channel) of
                {error, {context_died, _}} -> {error, closed};
                Result -> Result
            end;
        _ ->
            {error, invalid_channel}
    end.

%% @doc For a process of another node. The messages of this one must not be
%% on their way any more when that goes on.
-spec remote(operation(), channel(), kind()) -> term().
remote(Operation, Channel, Kind) ->
    case pyport_channel_cells:kind(Channel) of
        Kind ->
            Result = run(Operation, Channel, Kind),
            ok = pyport_lane:sync_all(),
            Result;
        _ ->
            {error, invalid_channel}
    end.

-spec run(operation(), channel(), kind()) -> term().
run({send, Message}, Cells, Kind) ->
    case target(Cells, Kind) of
        gone -> {error, closed};
        Target -> put_in(Target, Message, iolist_size(Message))
    end;
run({send, Message, Timeout}, Cells, Kind) ->
    Bytes = iolist_size(Message),
    case pyport_channel_cells:bytes_max(Cells) of
        Max when Max > 0, Bytes > Max ->
            {error, {too_large, Bytes, Max}};
        _ ->
            put_in_time(Cells, Kind, Message, Bytes,
                        pyport_channel_room:deadline(Timeout))
    end;
run({give_away, Caller, New}, Cells, _) ->
    give(Cells, Caller, New);
run({recv, Timeout, Caller}, Cells, Kind) ->
    pyport_channel_recv:recv(Cells, Kind, Timeout, Caller);
run(try_receive, Cells, Kind) ->
    pyport_channel_recv:try_receive(Cells, Kind);
run(close, Cells, _) ->
    close(Cells);
run(info, Cells, _) ->
    Owner = case ask(Cells, fun(N, Reply) -> {owner, N, Reply} end) of
                Pid when is_pid(Pid) -> Pid;
                _ -> undefined
            end,
    pyport_channel_info:of_owned(Owner, Cells).

%% Remembers where the channel is, if its program is there. Its cells say that
%% it is closed when that program is gone, so what is remembered stays right.
-spec target(channel(), kind()) -> target() | gone.
target(Cells, Kind) ->
    case pyport_lanes:find(pyport_channel_cells:key(Cells)) of
        gone ->
            gone;
        {Link, Socket} ->
            case pyport_lanes:casts(Link) of
                gone ->
                    gone;
                Casts ->
                    Target = {Cells, Kind,
                              pyport_channel_cells:bytes_max(Cells),
                              pyport_channel_cells:number(Cells), Link,
                              Casts, Socket},
                    _ = put(?TARGET, Target),
                    Target
            end
    end.

-spec put_in(target(), iodata(), non_neg_integer()) -> sent().
put_in(Target, Message, Bytes) when Bytes > ?FRAME_BYTES_MIN ->
    case pyport_link:frame_bytes_max() - ?PACKET_BYTES of
        Max when Bytes > Max -> {error, {too_large, Bytes, Max}};
        _ -> admitted(Target, Message, Bytes)
    end;
put_in(Target, Message, Bytes) ->
    admitted(Target, Message, Bytes).

-spec admitted(target(), iodata(), non_neg_integer()) ->
          ok | busy | {error, closed}.
admitted({_, _, _, _, Link, Casts, _} = Target, Message, Bytes) ->
    case pyport_lanes:gate(Casts) of
        0 -> place(Target, Message, Bytes);
        2 -> behind(pyport_lane:barrier(Link), Target, Message, Bytes);
        Gate when Gate < 4 -> under_pressure(Target);
        _ -> {error, closed} %% the link was killed
    end.

-spec under_pressure(target()) -> busy | {error, closed}.
under_pressure({Cells, _, _, _, _, _, _}) ->
    case pyport_channel_cells:is_closed(Cells) of
        true -> {error, closed};
        false -> busy
    end.

%% Too much is on its way: what is before us comes first.
-spec behind(ok | {error, term()}, target(), iodata(), non_neg_integer()) ->
          ok | busy | {error, closed}.
behind(ok, Target, Message, Bytes) -> place(Target, Message, Bytes);
behind({error, _}, _, _, _) -> {error, closed}.

%% What can take long is done before the place is taken, or under the flag of
%% {@link pyport_writers}: who dies after that leaves a hole.
-spec place(target(), iodata(), non_neg_integer()) ->
          ok | busy | {error, closed}.
place({Cells, _, Max, Number, Link, _, Socket} = Target, Message, Bytes) ->
    case pyport_lane:for_channel(Link, Socket, Cells, Bytes) of
        link ->
            case pyport_channel_cells:reserve(Cells, Bytes, Max) of
                ok ->
                    Link ! [Number | Message],
                    ok;
                Refused ->
                    refused(Refused, Target)
            end;
        lane ->
            Flag = pyport_writers:enter(Link, channel, Number, Bytes),
            Result = case pyport_channel_cells:reserve(Cells, Bytes, Max) of
                         ok -> on_lane(Target, Message);
                         Refused -> refused(Refused, Target)
                     end,
            ok = pyport_writers:leave(Flag),
            Result;
        {error, _} ->
            {error, closed}
    end.

%% A lane that is closed is that of a program that is gone.
-spec on_lane(target(), iodata()) -> ok | {error, closed}.
on_lane({_, _, _, Number, _, _, Socket}, Message) ->
    case gen_tcp:send(Socket, [<<16#31, Number:64>>, Message]) of
        ok -> ok;
        {error, _} -> {error, closed}
    end.

%% What Python has taken may not have been told.
-spec refused(busy | closed, target()) -> busy | {error, closed}.
refused(closed, _) ->
    {error, closed};
refused(busy, {Cells, _, _, Number, Link, _, _}) ->
    _ = case pyport_channel_cells:may_ask(Cells, now_ms()) of
            true -> Link ! {channel, {ask, Number}};
            false -> ok
        end,
    busy.

%% waiting for room

-spec put_in_time(channel(), kind(), iodata(), non_neg_integer(),
                  pyport_channel_room:deadline()) ->
          ok | {error, closed | timeout
                     | {too_large, pos_integer(), pos_integer()}}.
put_in_time(Cells, Kind, Message, Bytes, Deadline) ->
    case target(Cells, Kind) of
        gone ->
            {error, closed};
        {_, _, _, Number, Link, _, _} = Target ->
            Put = fun() -> put_in(Target, Message, Bytes) end,
            case Put() of
                busy -> pyport_channel_room:await(Link, Number, Bytes,
                                                  Deadline, Put);
                Result -> Result
            end
    end.

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).

%% the rest

-spec close(term(), kind()) -> ok | {error, invalid_channel}.
close(Channel, Kind) ->
    case at(Channel, Kind, close) of
        {error, closed} -> ok; %% its node is gone
        Result -> Result
    end.

%% The link is told first: whoever is killed in between leaves nothing half
%% done.
-spec close(channel()) -> ok.
close(Cells) ->
    case pyport_lanes:find(pyport_channel_cells:key(Cells)) of
        {Link, _} ->
            Number = pyport_channel_cells:number(Cells),
            Link ! {channel, {close, Number}},
            _ = pyport_channel_cells:close_sending(Cells),
            ok;
        gone ->
            ok
    end.

-spec give_away(term(), kind(), pid(), pid()) -> ok | {error, reason()}.
give_away(Channel, Kind, Caller, NewOwner) ->
    at(Channel, Kind, {give_away, Caller, NewOwner}).

-spec give(channel(), pid(), pid()) -> ok | {error, closed | not_owner}.
give(Cells, Caller, New) ->
    ask(Cells, fun(Number, Reply) -> {give, Number, Reply, Caller, New} end).

-spec ask(channel(), fun((pos_integer(), reference()) ->
                             pyport_channels:command())) -> term().
ask(Cells, Command) ->
    case pyport_lanes:find(pyport_channel_cells:key(Cells)) of
        gone ->
            {error, closed};
        {Link, _} ->
            Number = pyport_channel_cells:number(Cells),
            case pyport_object:ask(Link, channel, fun(Reply) ->
                                                      Command(Number, Reply)
                                                  end) of
                {error, not_owner} = Error -> Error;
                {error, _} -> {error, closed};
                Answer -> Answer
            end
    end.

-spec info(term(), kind()) ->
          pyport_channel_info:info() | {error, invalid_channel | closed}.
info(Channel, Kind) -> at(Channel, Kind, info).
