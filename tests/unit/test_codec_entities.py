from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column

from qcore.codec import decode_arguments, describe_arguments, encode_arguments
from qcore.errors import PayloadError


class Model(DeclarativeBase):
    pass


class User(Model):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Seat(MappedAsDataclass, Model):
    __tablename__ = "seats"
    row: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(id=7, name="Ada"), Seat(row="C", number=4)])
        session.commit()
        yield session
    engine.dispose()


def encoded(*args: Any) -> bytes:
    return encode_arguments(args, {}, job="app:Job")


def test_an_entity_travels_by_its_primary_key_and_is_loaded_anew(session: Session) -> None:
    data = encoded([session.get(User, 7)], {"seat": session.get(Seat, ("C", 4))})
    session.expunge_all()
    (users, seats), _ = decode_arguments(data, load_entity=session.get)
    assert users == [session.get(User, 7)]
    assert (type(users[0]), users[0].name) == (User, "Ada")
    assert seats["seat"] is session.get(Seat, ("C", 4))


def test_a_loader_gets_the_class_and_a_value_for_each_key_column(session: Session) -> None:
    asked: list[tuple[type, tuple[Any, ...]]] = []

    def load(cls: type, key: tuple[Any, ...]) -> str:
        asked.append((cls, key))
        return "loaded"

    decode_arguments(encoded(session.get(User, 7), session.get(Seat, ("C", 4))), load_entity=load)
    assert asked == [(User, (7,)), (Seat, ("C", 4))]


def test_an_entity_that_the_database_does_not_know_yet_is_refused() -> None:
    with pytest.raises(PayloadError, match="does not know yet") as caught:
        encoded(User(name="new"))
    assert "flush or commit" in caught.value.hint


def test_an_entity_that_is_gone_is_an_error_in_words(session: Session) -> None:
    with pytest.raises(PayloadError, match='User" with the primary key 7 is no longer in the database'):
        decode_arguments(encoded(session.get(User, 7)), load_entity=lambda *_: None)


def test_without_sessions_an_entity_is_an_error_in_words(session: Session) -> None:
    with pytest.raises(PayloadError, match="no sessions are configured"):
        decode_arguments(encoded(session.get(User, 7)))


def test_an_error_of_the_loader_is_not_one_of_the_payload(session: Session) -> None:
    def unreachable(cls: type, key: tuple[Any, ...]) -> Any:
        raise TimeoutError("database away")

    with pytest.raises(TimeoutError, match="database away"):
        decode_arguments(encoded(session.get(User, 7)), load_entity=unreachable)


def test_a_screen_shows_an_entity_without_loading_it(session: Session) -> None:
    shown = describe_arguments(encoded(session.get(User, 7)))
    assert shown["args"] == [{"$class": "test_codec_entities:User", "$primary_key": 7}]


def test_the_codec_itself_never_imports_sqlalchemy() -> None:
    for name in [name for name in sys.modules if name.startswith("qcore.codec")]:
        assert "sqlalchemy" not in vars(sys.modules[name])
