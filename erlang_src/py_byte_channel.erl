%% @doc Channels of bytes: as {@link py_channel}, but a message is a binary,
%% and Python has an `erlang.ByteChannel'. Messages keep their bounds and may
%% be empty; sizes are those of the bytes.
-module(py_byte_channel).

-export([new/0, new/1, send/2, send/3, recv/1, recv/2, try_receive/1]).
-export([close/1, info/1, give_away/2, register_callbacks/0]).

-export_type([channel/0]).

%% A reference.
-type channel() :: pyport_channel_cells:handle().

%% @equiv new(#{})
-spec new() -> {ok, channel()} | {error, py_channel:reason()}.
new() -> new(#{}).

%% @doc Makes a channel; the calling process owns it.
-spec new(py_channel:options()) ->
          {ok, channel()} | {error, py_channel:reason()}.
new(Options) -> pyport_channel_new:new(bytes, self(), Options).

%% @doc Sends bytes to Python, see {@link py_channel:send/2}.
-spec send(channel(), iodata()) ->
          ok | busy
        | {error, closed | invalid_channel
                | {too_large, pos_integer(), pos_integer()}
                | {invalid_argument, atom(), binary()}}.
send(Channel, Data) -> pyport_channel:send_bytes(Channel, Data).

%% @doc The same, but waits for room. The time-out is in milliseconds.
-spec send(channel(), iodata(), timeout()) ->
          ok
        | {error, closed | invalid_channel | timeout
                | {too_large, pos_integer(), pos_integer()}
                | {invalid_argument, atom(), binary()}}.
send(Channel, Data, Timeout) ->
    pyport_channel:send_bytes(Channel, Data, Timeout).

%% @equiv recv(Channel, infinity)
-spec recv(channel()) -> pyport_channel_recv:received().
recv(Channel) -> recv(Channel, infinity).

%% @doc Takes the next message of Python, or waits for it.
-spec recv(channel(), timeout()) -> pyport_channel_recv:received().
recv(Channel, Timeout) -> pyport_channel_recv:recv(Channel, bytes, Timeout).

%% @doc Takes the next message if there is one; else `empty'.
-spec try_receive(channel()) -> pyport_channel_recv:received().
try_receive(Channel) -> pyport_channel:at(Channel, bytes, try_receive).

%% @doc Nothing can be sent any more. A channel that is closed stays as it is.
-spec close(channel()) -> ok | {error, invalid_channel}.
close(Channel) -> pyport_channel:close(Channel, bytes).

%% @doc What is known of a channel: the map itself.
-spec info(channel()) ->
          py_channel:info() | {error, closed | invalid_channel}.
info(Channel) -> pyport_channel:info(Channel, bytes).

%% @doc Makes another process the owner. Only the owner may.
-spec give_away(channel(), pid()) -> ok | {error, py_channel:reason()}.
give_away(Channel, NewOwner) when is_pid(NewOwner) ->
    pyport_channel:give_away(Channel, bytes, self(), NewOwner);
give_away(_, _) ->
    pyport_args:invalid(owner, <<"a pid">>).

%% @doc Does nothing: there is nothing to register.
-spec register_callbacks() -> ok.
register_callbacks() -> ok.
