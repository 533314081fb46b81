%% @private
%% @doc What is known of a buffer: here, and in the program.
-module(pyport_buffer_info).

-export([of_owned/2, of_dead/1]).

-define(INFO_MS, 5000).

%% @doc Of one whose program is gone.
-spec of_dead(pyport_cells:handle()) -> py_buffer:info().
of_dead(Cells) -> known(context_died, undefined, Cells).

%% @doc What this process wrote is to be in what it gets.
-spec of_owned(pid() | undefined, pyport_cells:handle()) ->
          py_buffer:info() | {error, pyport_buffer:reason()}.
of_owned(Owner, Cells) ->
    case pyport_lanes:find(pyport_cells:key(Cells)) of
        gone ->
            of_dead(Cells);
        {Link, _} ->
            _ = pyport_lane:sync(Link),
            Number = pyport_cells:number(Cells),
            case pyport_link:control(Link, buffer_info, Number, ?INFO_MS) of
                {ok, Info} ->
                    maps:merge(known(open, Owner, Cells), counted(Info));
                {error, no_buffer} ->
                    known(pyport_cells:state(Cells), Owner, Cells);
                {error, {context_died, _}} ->
                    of_dead(Cells);
                {error, _} = Error ->
                    Error
            end
    end.

%% The program gives positions.
-spec counted(#{written := integer(), read := integer(), kept := integer(),
                _ => _}) ->
          #{written := integer(), read := integer(), kept := integer(),
            unread := integer(), _ => _}.
counted(#{written := Written, read := Read, kept := Kept} = Info) ->
    Info#{unread => Written - Read, kept => Written - Kept}.

-spec known(atom(), pid() | undefined, pyport_cells:handle()) ->
          py_buffer:info().
known(State, Owner, Cells) ->
    #{written => pyport_cells:sent(Cells), read => undefined,
      unread => undefined, kept => undefined, state => State,
      content_length => pyport_cells:announced(Cells),
      max_size => pyport_cells:bytes_max(Cells),
      memory_bytes => 0, file_bytes => 0, owner => Owner}.
