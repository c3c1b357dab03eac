"""Small Protocols, one per need. Stages ask for these; adapters fulfil them; ``app/`` joins the two.

Every method that changes state takes the events that tell of it and writes both in one transaction. All
implementations may be shared by threads of one process and by several processes on one machine.
"""
