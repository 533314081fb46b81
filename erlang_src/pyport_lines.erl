%% @private
%% @doc Cuts a stream of bytes into lines of UTF-8. Pure.
%%
%% A line longer than `line_bytes_max' comes in pieces, cut between
%% characters. Bytes that are not UTF-8 become U+FFFD.
-module(pyport_lines).

-export([new/1, feed/2, rest/1, valid/1]).

-export_type([lines/0]).

-record(lines, {
    max :: pos_integer(),
    rest = <<>> :: binary()
}).
-opaque lines() :: #lines{}.

%% @doc `LineBytesMax' is at least 4, the bytes of one character.
-spec new(pos_integer()) -> lines().
new(LineBytesMax) when LineBytesMax >= 4 ->
    #lines{max = LineBytesMax}.

%% @doc The lines that are complete now, as raw bytes without the newline.
-spec feed(binary(), lines()) -> {[binary()], lines()}.
feed(Bytes, #lines{rest = Rest, max = Max} = Lines) ->
    Parts = binary:split(<<Rest/binary, Bytes/binary>>, <<$\n>>, [global]),
    {Complete, [Last]} = lists:split(length(Parts) - 1, Parts),
    {Pieces, Left} = long(Last, Max, []),
    {lists:append([pieces(Part, Max) || Part <- Complete]) ++ Pieces,
     Lines#lines{rest = binary:copy(Left)}}.

%% @doc What came after the last newline.
-spec rest(lines()) -> [binary()].
rest(#lines{rest = <<>>}) -> [];
rest(#lines{rest = Rest}) -> [Rest].

-spec pieces(binary(), pos_integer()) -> [binary()].
pieces(Line, Max) ->
    case long(Line, Max, []) of
        {Pieces, <<>>} when Pieces =/= [] -> Pieces;
        {Pieces, Left} -> Pieces ++ [Left]
    end.

-spec long(binary(), pos_integer(), [nonempty_binary()]) ->
          {[nonempty_binary()], binary()}.
long(Bytes, Max, Pieces) when byte_size(Bytes) > Max ->
    Size = boundary(Bytes, Max, 3),
    <<Piece:Size/binary, Left/binary>> = Bytes,
    long(Left, Max, [Piece | Pieces]);
long(Bytes, _, Pieces) ->
    {lists:reverse(Pieces), Bytes}.

%% The last place at or before `Size' where a character begins; a character
%% has at most three bytes after its first.
-spec boundary(binary(), pos_integer(), 0..3) -> pos_integer().
boundary(Bytes, Size, Back) when Back > 0, Size > 1 ->
    case binary:at(Bytes, Size) of
        Byte when Byte band 16#C0 =:= 16#80 ->
            boundary(Bytes, Size - 1, Back - 1);
        _ ->
            Size
    end;
boundary(_, Size, _) ->
    Size.

%% @doc The same text as valid UTF-8.
-spec valid(binary()) -> binary().
valid(Bytes) ->
    case unicode:characters_to_binary(Bytes) of
        Text when is_binary(Text) ->
            Text;
        {_, Good, <<_, Rest/binary>>} ->
            replaced(Rest, <<Good/binary, 16#FFFD/utf8>>)
    end.

-spec replaced(binary(), nonempty_binary()) -> nonempty_binary().
replaced(Bytes, Before) ->
    case unicode:characters_to_binary(Bytes) of
        Text when is_binary(Text) ->
            <<Before/binary, Text/binary>>;
        {_, Good, <<_, Rest/binary>>} ->
            replaced(Rest, <<Before/binary, Good/binary, 16#FFFD/utf8>>)
    end.
